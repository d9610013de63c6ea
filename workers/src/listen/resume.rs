//! What a listener missed while their connection was gone.

use super::{Listen, Speaker};
use crate::frame::Frame;
use aws::connections::Posted;
use aws::failure::Failure;
use aws::items::{self, KEPT};
use aws::keys;
use aws::table::Order;
use domain::event::Event;
use domain::listener::{Audience, may_be_told};
use domain::planted::{self, Planted};
use domain::role::Caller;
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;

/// Announcers' clocks differ, and one may have been slow: what was told so long before is told again, and
/// must be there still.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);
/// So far announcers' clocks may be ahead of this one's.
const AHEAD: SignedDuration = SignedDuration::from_secs(5);
/// Events that are told again; beyond, reading how things stand is faster.
const MAX_RESUMED: usize = 300;
/// Events of a tenant that are looked through, some megabytes: whoever asks often must not be in anybody's
/// way.
const MAX_LOOKED_THROUGH: usize = 2_000;
const PAGE: i32 = 500;

impl Listen {
    /// Tells again what an audience was told since `after`; false if that is too much.
    pub(super) async fn resume(
        &self,
        speaker: &Speaker,
        caller: &Caller,
        audience: &Audience,
        after: Timestamp,
        to: &str,
    ) -> Result<bool, Failure> {
        let connection = &speaker.session.connection;
        let now = self.clock.now();
        let missed = if now.duration_since(after) > KEPT - AHEAD - OVERLAP {
            None
        } else {
            self.missed(caller, audience, after - OVERLAP, now + AHEAD).await?
        };
        let Some(missed) = missed else { return Ok(false) };
        for (position, event) in &missed {
            let frame = Frame::Event { position, event };
            if self.connections.post(connection, &frame.text()?).await? == Posted::Gone {
                return Ok(true);
            }
        }
        self.tell(connection, &Frame::Resumed { to }).await.map(|_| true)
    }

    /// What an audience was told in a time, with the positions; nothing if that is too much.
    async fn missed(
        &self,
        caller: &Caller,
        audience: &Audience,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Vec<(String, Event)>>, Failure> {
        let (mut missed, mut looked_through) = (Vec::new(), 0);
        if planted::is(Planted::MissedUntold) {
            return Ok(Some(missed));
        }
        for span in keys::told_between(&caller.tenant, from, to) {
            let mut pages = self.history.pages(&span, PAGE, Order::OldestFirst);
            while let Some(page) = pages.next().await? {
                looked_through += page.len();
                for item in page {
                    let (position, event) = items::stored_told(item)?;
                    if Audience::of(&event).contains(audience) && may_be_told(caller, &event) {
                        missed.push((position, event));
                    }
                }
                if missed.len() > MAX_RESUMED || looked_through > MAX_LOOKED_THROUGH {
                    return Ok(None);
                }
            }
        }
        Ok(Some(in_order(missed)))
    }
}

/// Events of one wallet by its version, in the places that they have among the others.
fn in_order(mut events: Vec<(String, Event)>) -> Vec<(String, Event)> {
    let mut wallets: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (place, (_, event)) in events.iter().enumerate() {
        if let (Some(employee), Some(_)) = (&event.about.employee, event.about.wallet_version) {
            wallets.entry(employee.clone()).or_default().push(place);
        }
    }
    for places in wallets.into_values() {
        let mut own: Vec<_> = places.iter().filter_map(|place| Some(events.get(*place)?.1.clone())).collect();
        own.sort_by_key(|event| event.about.wallet_version);
        for (place, event) in places.into_iter().zip(own) {
            if let Some(slot) = events.get_mut(place) {
                slot.1 = event;
            }
        }
    }
    events
}
