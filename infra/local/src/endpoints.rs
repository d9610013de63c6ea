//! `.local/endpoints.json`: where the system is and who may sign in, for scripts and tests.

use crate::{demo, system};
use aws::bus::Names;
use aws::config::{self, Clients, Config, ConfigError};
use domain::role::Role;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoints {
    pub api_url: String,
    pub aws_endpoint_url: String,
    pub dynamodb_endpoint_url: String,
    pub region: String,
    pub account_id: String,
    pub stage: String,
    pub table_name: String,
    pub user_pool_id: String,
    pub client_id: String,
    pub users: Vec<DemoUser>,
}

impl Endpoints {
    /// Clients of the services themselves, for whoever fills the table and audits it: with made-up
    /// credentials where the services are the local system's, and with those of the environment elsewhere.
    pub fn clients(&self) -> Result<Clients, ConfigError> {
        if self.stage == system::STAGE {
            return Ok(system::clients(&self.aws_endpoint_url, &self.dynamodb_endpoint_url));
        }
        let names = Names {
            region: self.region.clone(),
            account_id: self.account_id.clone(),
            stage: self.stage.clone(),
        };
        let cloud = config::from_environment()?;
        Ok(Clients::new(Config { cloud, names, table_name: self.table_name.clone() }))
    }
}

/// Somebody of the demo who can sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoUser {
    pub username: String,
    pub password: String,
    pub tenant_id: String,
    /// The role, and for whom it acts.
    #[serde(flatten)]
    pub role: Role,
}

/// Everybody of the demo who can sign in.
pub fn demo_users() -> Result<Vec<DemoUser>, demo::DemoError> {
    let mut everybody = Vec::new();
    for demo in demo::tenants()? {
        let tenant = demo.tenant.id;
        everybody.extend(demo::users(&tenant)?.into_iter().map(|(name, role)| DemoUser {
            username: name.into(),
            password: demo::PASSWORD.to_owned(),
            tenant_id: tenant.to_string(),
            role,
        }));
    }
    Ok(everybody)
}
