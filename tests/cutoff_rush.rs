//! `make cutoff-rush`: replenishes many wallets while lunch goes on, and prints what it took. Ends with an
//! audit: every wallet has one movement of the cutoff, and the sums are exact.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement fails loudly and says what it found"
)]

use aws::retry::Policy;
use clap::Parser;
use domain::id::TenantId;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;
use tests::rush::{lunch, per_second, percentile, ratio};
use tests::terminal::{Terminal, coffee};
use tests::{World, roster};
use tokio::time::Instant;

const LIMIT: i64 = 600_000;
/// Sales before it: as many as the cutoff is measured with, or so.
const BASELINE: Duration = Duration::from_secs(20);
/// Half a month, so that a cutoff is due.
const HALF_A_MONTH: SignedDuration = SignedDuration::from_hours(17 * 24);
/// The demo's own.
const DEMO: u64 = 200;
/// Longer than any cutoff of this size.
const RUSH_MAX: Duration = Duration::from_mins(30);

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long, default_value_t = 100_000)]
    employees: u32,
}

#[tokio::main]
async fn main() {
    let Arguments { employees } = Arguments::parse();
    let acme: TenantId = "acme".parse().unwrap();
    let world = World::start().await;
    let table = world.system.clients.table(Policy::WORKER);
    let admin = world.terminal("acme-admin").await;
    let cashier = world.terminal("acme-cashier").await;
    let began = Instant::now();
    roster::hire(&table, &acme, employees, world.clock.now()).await;
    println!("{employees} employees hired in {:.1} s", began.elapsed().as_secs_f64());
    let policy = json!({
        "days": [15, "last"], "time": "06:00", "method": "raise_to", "negative_balance": "carry",
        "default_limit": LIMIT, "prorates_joiners": false,
    });
    assert_eq!(admin.command("PUT", "/v1/credit-policy", &policy).await.outcome(), "applied");
    world.clock.advance(HALF_A_MONTH);

    let before =
        lunch(&world, &cashier, |badge| coffee(badge, 1), async { tokio::time::sleep(BASELINE).await }).await;
    let usage = world.system.workers.replenishment.table().usage();
    let opening = world.system.workers.replenishment.opener().table().usage();
    usage.take();
    opening.take();
    let began = Instant::now();
    world.system.workers.replenishment.opener().tick_again(&acme).await.unwrap();
    let mut booked = None;
    let meanwhile = lunch(&world, &cashier, |badge| coffee(badge, 1), closed(&admin, &mut booked)).await;
    let (booked, took) = (booked.unwrap() - began, began.elapsed());
    let (spent, opened) = (usage.take(), opening.take());

    let expected = u64::from(employees) + DEMO;
    let cutoff = admin.get("/v1/cutoffs", &[]).await.body["items"][0].clone();
    assert_eq!(
        (&cutoff["expected"], &cutoff["totals"]["booked"]),
        (&json!(expected), &json!(expected)),
        "{cutoff}"
    );
    let date = cutoff["date"].as_str().unwrap().parse().unwrap();
    let granted = roster::audit(&table, &acme, employees, date, LIMIT).await;
    println!(
        "{expected} wallets replenished in {:.1} s, {:.0} a second; counted again and closed after {:.1} s",
        booked.as_secs_f64(),
        per_second(expected, booked),
        took.as_secs_f64(),
    );
    println!(
        "{} granted in all, of which {granted} to those who did not buy: exact, each once",
        cutoff["totals"]["granted"]
    );
    let calls: u64 = spent.calls.values().chain(opened.calls.values()).sum();
    println!(
        "an employee: {:.3} calls, {:.2} write units, {:.2} read units",
        ratio(calls, expected),
        ratio(spent.write_decis + opened.write_decis, 10 * expected),
        ratio(spent.read_decis + opened.read_decis, 10 * expected),
    );
    println!("{:<22} {:>8} {:>8} {:>8}", "sale to outcome (ms)", "sales", "p50", "p99");
    for (when, times) in [("before", &before), ("during the cutoff", &meanwhile)] {
        println!("{when:<22} {:>8} {:>8} {:>8}", times.len(), percentile(times, 50), percentile(times, 99));
    }
    println!("p99 meanwhile is {:.2} of before", ratio(percentile(&meanwhile, 99), percentile(&before, 99)));
}

/// Waits until the cutoff is closed, and notes when everybody had been booked.
async fn closed(admin: &Terminal, booked: &mut Option<Instant>) {
    let wait = async {
        loop {
            let cutoffs: Value = admin.get("/v1/cutoffs", &[]).await.body;
            let cutoff = &cutoffs["items"][0];
            let date = cutoff["date"].as_str().unwrap_or_default();
            let totals = admin.get(&format!("/v1/cutoffs/{date}"), &[]).await.body["totals"].clone();
            let is_handed_out = cutoff["is_handed_out"] == true || cutoff["status"] != "open";
            let is_booked = is_handed_out && (totals["missing"] == 0 || cutoff["status"] == "counting");
            if is_booked && booked.is_none() {
                *booked = Some(Instant::now());
            }
            if cutoff["status"] == "closed" {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(RUSH_MAX, wait).await.expect("the cutoff is closed");
}
