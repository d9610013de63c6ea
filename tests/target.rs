//! Where the black-box suite runs: against the system that a file names, or a world of its own.

use crate::World;
use crate::terminal::Terminal;
use local::endpoints::Endpoints;

/// Names the `endpoints.json` of a system that runs already; `make run` and `make deploy-test` write one.
const ENDPOINTS_VARIABLE: &str = "POS_ENDPOINTS";

/// A system that is known by its endpoints alone.
#[derive(Debug)]
pub struct Target {
    pub endpoints: Endpoints,
    _world: Option<World>,
}

impl Target {
    pub async fn find() -> Self {
        #[expect(clippy::disallowed_methods, reason = "how whoever runs the suite names its target")]
        let named = std::env::var(ENDPOINTS_VARIABLE).ok();
        if let Some(path) = named {
            let json = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
            return Self { endpoints: serde_json::from_slice(&json).expect("endpoints"), _world: None };
        }
        let world = World::start().await;
        Self { endpoints: world.system.endpoints.clone(), _world: Some(world) }
    }

    /// Somebody of the demo at a terminal, signed in.
    pub async fn terminal(&self, username: &str) -> Terminal {
        Terminal::sign_in(&self.endpoints, username).await
    }
}
