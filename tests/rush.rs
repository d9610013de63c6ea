//! Lunch while something else goes on, and figures to read of both.

use crate::World;
use crate::terminal::Terminal;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};
use uuid::Uuid;

/// Sales a second, whatever else goes on.
const SALES_PER_S: u32 = 40;

/// Makes a `sale` to one badge after the other while something goes on; how long each took, in milliseconds.
pub async fn lunch(
    world: &World,
    cashier: &Terminal,
    sale: fn(&str) -> Value,
    meanwhile: impl Future<Output = ()>,
) -> Vec<u64> {
    let mut ticks = interval(Duration::from_secs(1) / SALES_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sales = tokio::task::JoinSet::new();
    let mut index = 0;
    tokio::pin!(meanwhile);
    loop {
        tokio::select! {
            () = &mut meanwhile => break,
            due = ticks.tick() => {
                // From when it was due: whoever sells late has waited already.
                let badge = format!("RF{}", 100_000 + index % 200);
                let (cashier, key) = (cashier.clone(), key(world));
                sales.spawn(async move {
                    let sold = cashier.buy(key, &sale(&badge)).await;
                    assert_eq!(sold.status, 200, "{sold:?}");
                    u64::try_from(due.elapsed().as_millis()).unwrap()
                });
                index += 1;
            }
        }
    }
    sales.join_all().await
}

/// A key of the world's present.
fn key(world: &World) -> Uuid {
    let now_ms = u64::try_from(world.clock.now().as_millisecond()).unwrap();
    let random: [u8; 10] = std::array::from_fn(|_| fastrand::u8(..));
    uuid::Builder::from_unix_timestamp_millis(now_ms, &random).into_uuid()
}

#[expect(clippy::float_arithmetic, reason = "a figure to read, not money")]
pub fn per_second(count: u64, took: Duration) -> f64 {
    f64::from(u32::try_from(count).unwrap()) / took.as_secs_f64()
}

#[expect(clippy::float_arithmetic, clippy::cast_precision_loss, reason = "a figure to read, not money")]
pub fn ratio(one: u64, other: u64) -> f64 {
    one as f64 / other as f64
}

pub fn percentile(times: &[u64], percent: usize) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted.get((sorted.len().max(1) - 1) * percent / 100).copied().unwrap_or_default()
}
