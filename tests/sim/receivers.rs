//! Systems that webhooks call: they take what they are told, or do not, and the oracle knows which.

use super::Shared;
use domain::event::Event;
use domain::webhook::{Answer, Fault, WebhookUrl};
use workers::deliver::receivers::{Call, PATIENCE, Told};

#[derive(Debug, Clone)]
pub struct Receivers(pub Shared);

impl Call for Receivers {
    async fn call(&self, url: &WebhookUrl, told: Told) -> Answer {
        let Self(sim) = self;
        let (there, trouble) = {
            let mut chaos = sim.chaos();
            (chaos.latency(), chaos.receiver_is_down().then(|| chaos.rng.u32(0..4)))
        };
        tokio::time::sleep(there).await;
        let answer = match trouble {
            None => Answer::Status(204),
            Some(0) => Answer::Status(500),
            Some(1) => Answer::Status(429),
            Some(2) => Answer::None(Fault::NotConnected),
            Some(_) => {
                tokio::time::sleep(PATIENCE).await;
                // It may have taken it: nobody knows.
                Answer::None(Fault::TimedOut)
            }
        };
        sim.log(format_args!("{} is told {}: {answer:?}", url.as_str(), told.id));
        let event: Event = serde_json::from_str(&told.body).expect("an event");
        if matches!(answer, Answer::Status(204)) {
            sim.note(sim.oracle().took(url.as_str(), event));
        }
        answer
    }
}
