//! Administrators who listen to what happens to their company, and come back when they lost their connection.

use super::link::Pauses;
use super::net::CALLER;
use super::play::Play;
use domain::id::TenantId;
use http::Request;
use local::sockets;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::sleep;
use workers::listen::{Answer, TICKET_PARAMETER};

/// How often somebody tries before they leave it.
const TRIES_MAX: usize = 20;

impl Play {
    /// An administrator listens to what happens to the company after a while, unless one does already: behind
    /// where they were.
    pub fn listen(&mut self, tenant: &TenantId, delay: Duration) {
        let (tenant, who) = (tenant.clone(), self.cashier_of(tenant).in_role("-admin"));
        let (link, listener, sim) =
            (self.stage.link.clone(), self.stage.listener.clone(), self.stage.sim.clone());
        self.sales.spawn(CALLER.scope(tenant.clone(), async move {
            sleep(delay).await;
            let mut pauses = Pauses::new();
            for _ in 0..TRIES_MAX {
                let asked = link.send(&who, Request::post("/v1/listener-tickets"), String::new()).await;
                let ticket = asked.filter(|answer| answer.status == 201);
                let ticket = ticket.and_then(|answer| answer.body["ticket"].as_str().map(str::to_owned));
                let Some(session) = ticket else {
                    pauses.pause().await;
                    continue;
                };
                let Some((id, after)) = sim.sockets().open(&tenant) else { return };
                let said = json!({ "type": "subscribe", "session": session, "to": "tenant", "after": after });
                let mut event = sockets::event(&id, "$connect", None);
                let parameters = [(TICKET_PARAMETER.to_owned(), vec![session])];
                event.query_string_parameters = HashMap::from(parameters).into();
                let mut answer = listener.handle(&event).await;
                if answer == Answer::Done {
                    answer = listener.handle(&sockets::event(&id, "$default", Some(said.to_string()))).await;
                }
                sim.log(format_args!("{id} listens after {after:?}: {answer:?}"));
                let is_served = answer == Answer::Done && !sim.sockets().is_refused(&id);
                if is_served {
                    return;
                }
                sim.sockets().end(&id);
                pauses.pause().await;
            }
        }));
    }

    /// Somebody loses their connection, and comes back.
    pub fn hang_up(&mut self, connection: usize, back_ms: u64) {
        let lost = {
            let mut sockets = self.stage.sim.sockets();
            if let Some(id) = sockets.nth_open(connection) {
                sockets.end(&id);
            }
            sockets.lost()
        };
        for tenant in lost {
            self.listen(&tenant, Duration::from_millis(back_ms));
        }
    }
}
