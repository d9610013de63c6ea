//! Instants worked out by hand, and sums that always hold.

use super::*;
use crate::admin::Rejection;
use jiff::SignedDuration;
use proptest::prelude::*;

fn minor(amount: i64) -> Money {
    Money::from_minor(amount)
}

fn day(day: i64) -> DayOfMonth {
    day.try_into().unwrap()
}

fn monthly(of_month: i64) -> Schedule {
    Schedule::Monthly { day: day(of_month) }
}

fn semi_monthly(first: i64, second: i64) -> Schedule {
    Schedule::semi_monthly(day(first), day(second)).unwrap()
}

fn policy(schedule: Schedule, at: &str) -> Policy {
    Policy {
        schedule,
        at: at.to_owned().try_into().unwrap(),
        method: Method::Reset,
        negative_balance: NegativeBalance::Carry,
        default_limit: minor(0),
        prorates_joiners: true,
    }
}

/// The cutoffs after an instant, as date and instant.
#[track_caller]
fn check(schedule: Schedule, at: &str, zone: &str, after: &str, expected: &[(&str, &str)]) {
    let business_day = BusinessDay::new(zone, 0).unwrap();
    let after: Timestamp = after.parse().unwrap();
    let upcoming = policy(schedule, at).upcoming(&business_day, after, None, expected.len());
    let told: Vec<_> =
        upcoming.iter().map(|(date, instant)| (date.to_string(), instant.to_string())).collect();
    let expected: Vec<_> = expected.iter().map(|(date, at)| ((*date).to_owned(), (*at).to_owned())).collect();
    assert_eq!(told, expected, "{zone}");
}

#[test]
fn every_month_has_its_cutoffs() {
    // Leap years: 2028 is one, 2027 and 2100 are none.
    check(
        semi_monthly(15, 31),
        "06:00",
        "Asia/Manila",
        "2028-02-01T00:00:00Z",
        &[
            ("2028-02-15", "2028-02-14T22:00:00Z"),
            ("2028-02-29", "2028-02-28T22:00:00Z"),
            ("2028-03-15", "2028-03-14T22:00:00Z"),
            ("2028-03-31", "2028-03-30T22:00:00Z"),
            ("2028-04-15", "2028-04-14T22:00:00Z"),
            ("2028-04-30", "2028-04-29T22:00:00Z"),
        ],
    );
    check(
        monthly(30),
        "00:00",
        "UTC",
        "2027-01-30T00:00:00Z",
        &[("2027-02-28", "2027-02-28T00:00:00Z"), ("2027-03-30", "2027-03-30T00:00:00Z")],
    );
    check(monthly(31), "12:00", "UTC", "2100-01-31T12:00:00Z", &[("2100-02-28", "2100-02-28T12:00:00Z")]);
    check(monthly(1), "00:00", "UTC", "2026-12-31T23:59:59Z", &[("2027-01-01", "2027-01-01T00:00:00Z")]);
    // At the instant itself it is due, and no longer upcoming.
    check(monthly(1), "00:00", "UTC", "2027-01-01T00:00:00Z", &[("2027-02-01", "2027-02-01T00:00:00Z")]);
}

#[test]
fn a_local_time_has_one_instant_whatever_the_clocks_do() {
    // Berlin, 29 March 2026: from 02:00 to 03:00. 02:30 is skipped and moved on to 03:30.
    check(
        monthly(29),
        "02:30",
        "Europe/Berlin",
        "2026-03-01T00:00:00Z",
        &[("2026-03-29", "2026-03-29T01:30:00Z"), ("2026-04-29", "2026-04-29T00:30:00Z")],
    );
    // Berlin, 25 October 2026: from 03:00 back to 02:00. 02:30 comes twice; the first is summer time.
    check(
        monthly(25),
        "02:30",
        "Europe/Berlin",
        "2026-10-01T00:00:00Z",
        &[("2026-10-25", "2026-10-25T00:30:00Z"), ("2026-11-25", "2026-11-25T01:30:00Z")],
    );
    // New York, 8 March 2026, from 02:00 to 03:00; 1 November 2026, from 02:00 back to 01:00.
    check(
        monthly(8),
        "02:00",
        "America/New_York",
        "2026-03-01T00:00:00Z",
        &[("2026-03-08", "2026-03-08T07:00:00Z")],
    );
    check(
        monthly(1),
        "01:30",
        "America/New_York",
        "2026-10-31T00:00:00Z",
        &[("2026-11-01", "2026-11-01T05:30:00Z")],
    );
    // Santiago skips midnight itself: 6 September 2026, from 00:00 to 01:00.
    check(
        monthly(6),
        "00:00",
        "America/Santiago",
        "2026-09-01T00:00:00Z",
        &[("2026-09-06", "2026-09-06T04:00:00Z")],
    );
    // Off the hour: Kathmandu is 5:45 ahead, Chatham 12:45, in summer 13:45; Lord Howe moves by half an hour.
    check(
        monthly(15),
        "06:00",
        "Asia/Kathmandu",
        "2026-05-01T00:00:00Z",
        &[("2026-05-15", "2026-05-15T00:15:00Z")],
    );
    check(
        monthly(15),
        "06:00",
        "Pacific/Chatham",
        "2026-12-01T00:00:00Z",
        &[("2026-12-15", "2026-12-14T16:15:00Z")],
    );
    check(
        monthly(4),
        "02:15",
        "Australia/Lord_Howe",
        "2026-10-01T00:00:00Z",
        &[("2026-10-04", "2026-10-03T15:45:00Z")],
    );
    // Samoa left out 30 December 2011 altogether.
    check(
        monthly(30),
        "12:00",
        "Pacific/Apia",
        "2011-12-01T00:00:00Z",
        &[("2011-12-30", "2011-12-30T22:00:00Z"), ("2012-01-30", "2012-01-29T22:00:00Z")],
    );
}

#[track_caller]
fn check_due(schedule: Schedule, at: &str, zone: &str, now: &str, expected: &str) {
    let business_day = BusinessDay::new(zone, 0).unwrap();
    let due = policy(schedule, at).due(&business_day, now.parse().unwrap()).unwrap();
    assert_eq!(due.to_string(), expected, "{zone} {now}");
}

#[test]
fn the_latest_cutoff_is_due_however_late_it_is() {
    check_due(semi_monthly(15, 31), "06:00", "Asia/Manila", "2026-02-14T21:59:59Z", "2026-01-31");
    check_due(semi_monthly(15, 31), "06:00", "Asia/Manila", "2026-02-14T22:00:00Z", "2026-02-15");
    check_due(semi_monthly(15, 31), "06:00", "Asia/Manila", "2026-02-27T21:59:59Z", "2026-02-15");
    check_due(semi_monthly(15, 31), "06:00", "Asia/Manila", "2026-03-20T00:00:00Z", "2026-03-15");
    check_due(monthly(1), "00:00", "Pacific/Kiritimati", "2026-02-28T10:00:00Z", "2026-03-01");
    check_due(monthly(1), "23:59", "Pacific/Pago_Pago", "2026-03-02T10:58:59Z", "2026-02-01");
    check_due(monthly(1), "23:59", "Pacific/Pago_Pago", "2026-03-02T10:59:00Z", "2026-03-01");
    // A company that moves its books from Manila to New York: what was the 15th there is not yet here.
    check_due(monthly(15), "06:00", "Asia/Manila", "2026-06-15T00:00:00Z", "2026-06-15");
    check_due(monthly(15), "06:00", "America/New_York", "2026-06-15T00:00:00Z", "2026-05-15");
}

/// Twenty years in every kind of zone, with ticks that are missed, in one of them hour by hour: one cutoff a
/// date of the schedule, never an earlier one after a later.
#[test]
fn ticks_open_each_cutoff_once() {
    let zones = [
        "UTC",
        "Asia/Manila",
        "Europe/Berlin",
        "America/New_York",
        "America/Santiago",
        "Australia/Lord_Howe",
        "Asia/Kathmandu",
        "Pacific/Chatham",
        "Pacific/Apia",
        "Africa/Casablanca",
        "Antarctica/Troll",
    ];
    let from: Timestamp = "2026-01-03T00:00:00Z".parse().unwrap();
    for zone in zones {
        let business_day = BusinessDay::new(zone, 0).unwrap();
        for (schedule, a_month) in [(semi_monthly(15, 31), 2), (semi_monthly(1, 16), 2), (monthly(31), 1)] {
            for step in [if zone == "Europe/Berlin" { 1 } else { 11 }, 26] {
                let policy = policy(schedule, "02:30");
                let mut opened = Vec::new();
                let mut latest = policy.due(&business_day, from).unwrap();
                let mut now = from;
                let until = from + SignedDuration::from_hours(24 * 7_305);
                while now < until {
                    let due = policy.due(&business_day, now).unwrap();
                    assert!(due >= latest, "{zone}: {due} after {latest}");
                    if due > latest {
                        opened.push(due);
                        latest = due;
                    }
                    now += SignedDuration::from_hours(step);
                }
                assert_eq!(opened.len(), 240 * a_month, "{zone} {schedule:?} every {step} h");
                let next = |date: &Date| schedule.after(*date).unwrap();
                assert!(opened.iter().zip(&opened[1..]).all(|(one, other)| next(one) == *other), "{zone}");
            }
        }
    }
}

/// Opened by hand under the 15th and the last day, at a noon of November in UTC.
#[track_caller]
fn check_by_hand(latest: Option<&str>, date: &str, expected: Result<(), Rejection>) {
    let policy = policy(semi_monthly(15, 31), "06:00");
    let standing = StandingPolicy { policy, since: "2026-11-01T00:00:00Z".parse().unwrap() };
    let utc = BusinessDay::new("UTC", 0).unwrap();
    let latest = latest.map(|date| date.parse().unwrap());
    let now = "2026-11-28T12:00:00Z".parse().unwrap();
    assert_eq!(standing.by_hand(&utc, latest, date.parse().unwrap(), now), expected);
}

#[test]
fn a_cutoff_by_hand_skips_none() {
    let due = "2026-11-15".parse().unwrap();
    check_by_hand(None, "2026-11-29", Err(Rejection::CutoffDue { date: due }));
    check_by_hand(Some("2026-11-15"), "2026-11-15", Err(Rejection::CutoffPassed { latest: due }));
    check_by_hand(Some("2026-11-15"), "2026-11-29", Ok(()));
    check_by_hand(Some("2026-11-15"), "2026-11-30", Ok(()));
    let last = "2026-11-30".parse().unwrap();
    check_by_hand(Some("2026-11-15"), "2026-12-01", Err(Rejection::CutoffTooFar { next: last }));
    // The last day's was opened before its time: the next is December's.
    check_by_hand(Some("2026-11-30"), "2026-12-01", Ok(()));
    check_by_hand(Some("2026-11-30"), "2026-12-15", Ok(()));
    let next = "2026-12-15".parse().unwrap();
    check_by_hand(Some("2026-11-30"), "2026-12-16", Err(Rejection::CutoffTooFar { next }));
}

/// The next two at the same noon.
#[track_caller]
fn check_next(latest: Option<&str>, expected: [&str; 2]) {
    let policy = policy(semi_monthly(15, 31), "06:00");
    let standing = StandingPolicy { policy, since: "2026-11-01T00:00:00Z".parse().unwrap() };
    let utc = BusinessDay::new("UTC", 0).unwrap();
    let latest = latest.map(|date| date.parse().unwrap());
    let next = standing.next(&utc, latest, "2026-11-28T12:00:00Z".parse().unwrap(), 2);
    assert_eq!(next.iter().map(|(date, _)| date.to_string()).collect::<Vec<_>>(), expected);
}

#[test]
fn what_is_due_comes_first_until_it_is_opened() {
    check_next(None, ["2026-11-15", "2026-11-30"]);
    check_next(Some("2026-11-15"), ["2026-11-30", "2026-12-15"]);
    check_next(Some("2026-11-30"), ["2026-12-15", "2026-12-31"]);
}

#[test]
fn days_that_fall_together_are_no_two_days() {
    for (first, second) in [(15, 15), (16, 15), (28, 30), (30, 31)] {
        assert_eq!(
            Schedule::semi_monthly(day(first), day(second)),
            Err(InvalidSchedule::Days),
            "{first} {second}"
        );
    }
    assert!(Schedule::semi_monthly(day(27), DayOfMonth::LAST).is_ok());
    assert!(DayOfMonth::try_from(0).is_err() && DayOfMonth::try_from(32).is_err());
    for text in ["6:30", "24:00", "06:60", "0630", "06:3x", "+6:00", "06:+5", ""] {
        assert!(LocalTime::try_from(text.to_owned()).is_err(), "{text}");
    }
}

#[track_caller]
fn check_method(
    method: Method,
    negative: NegativeBalance,
    balance: i64,
    limit: i64,
    granted: i64,
    expired: i64,
) {
    let policy = Policy { method, negative_balance: negative, ..policy(monthly(1), "00:00") };
    let expected = Replenished { granted: minor(granted), expired: minor(expired) };
    assert_eq!(policy.replenish(minor(balance), minor(limit)), Some(expected));
}

#[test]
fn each_method_does_what_it_says() {
    use NegativeBalance::{Carry, Forgive};
    check_method(Method::Reset, Carry, 120, 500, 500, 120);
    check_method(Method::Reset, Carry, -120, 500, 500, 0);
    check_method(Method::Reset, Forgive, -120, 500, 620, 0);
    let top_up = Method::TopUp { amount: minor(300), cap: minor(500) };
    check_method(top_up, Carry, 100, 0, 300, 0);
    check_method(top_up, Carry, 400, 0, 100, 0);
    check_method(top_up, Carry, 600, 0, 0, 0);
    check_method(top_up, Carry, -50, 0, 300, 0);
    check_method(top_up, Forgive, -50, 0, 350, 0);
    check_method(Method::RaiseTo, Carry, 120, 500, 380, 0);
    check_method(Method::RaiseTo, Carry, 700, 500, 0, 0);
    check_method(Method::RaiseTo, Carry, -20, 500, 500, 0);
    check_method(Method::RaiseTo, Forgive, -20, 500, 520, 0);
}

#[test]
fn a_joiner_gets_the_days_that_are_left() {
    let date = |text: &str| text.parse::<Date>().unwrap();
    let (since, until) = (date("2026-03-15"), date("2026-03-31"));
    let policy = policy(semi_monthly(15, 31), "06:00");
    let share = |joined: &str| policy.prorate(minor(1_600), date(joined), since, until).minor();
    assert_eq!(share("2026-03-15"), 1_600);
    assert_eq!(share("2026-03-01"), 1_600, "whoever was there before gets no more");
    assert_eq!(share("2026-03-23"), 800);
    assert_eq!(share("2026-03-30"), 100);
    assert_eq!(share("2026-03-31"), 0);
    let off = Policy { prorates_joiners: false, ..policy.clone() };
    assert_eq!(off.prorate(minor(1_600), date("2026-03-23"), since, until), Money::ZERO);
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let method = prop_oneof![
        Just(Method::Reset),
        Just(Method::RaiseTo),
        (0..1_000_000i64, 0..1_000_000i64)
            .prop_map(|(amount, cap)| Method::TopUp { amount: minor(amount), cap: minor(cap) }),
    ];
    let negative = prop_oneof![Just(NegativeBalance::Forgive), Just(NegativeBalance::Carry)];
    (method, negative).prop_map(|(method, negative_balance)| Policy {
        method,
        negative_balance,
        ..policy(monthly(1), "00:00")
    })
}

proptest! {
    #[test]
    fn expiry_and_grant_add_up(policy in any_policy(), balance in -1_000_000..1_000_000i64, limit in 0..1_000_000i64) {
        let replenished = policy.replenish(minor(balance), minor(limit)).unwrap();
        let after = balance + replenished.amount().unwrap().minor();
        prop_assert_eq!(after, balance + replenished.granted.minor() - replenished.expired.minor());
        prop_assert!(replenished.granted >= Money::ZERO && replenished.expired >= Money::ZERO);
        let forgives = policy.negative_balance == NegativeBalance::Forgive;
        let debt = if forgives { 0 } else { balance.min(0) };
        match policy.method {
            Method::Reset => prop_assert_eq!(after, limit + debt),
            Method::RaiseTo => prop_assert_eq!(after, balance.max(limit + debt)),
            Method::TopUp { amount, cap } => {
                let start = balance.max(0);
                let filled = (start + amount.minor()).min(cap.minor().max(start));
                prop_assert_eq!(after, filled + debt);
            }
        }
        // Nothing is taken by whatever only gives.
        prop_assert!(policy.method == Method::Reset || after >= balance);
    }
}

/// A round that began at 100 s, with a revision of the roster first seen so long before it.
#[track_caller]
fn check_round(seen_s_before: i64, adds_up: bool, revision: u64, now_s: i64, verdict: Verdict) {
    let at = |second: i64| Timestamp::from_second(second).unwrap();
    let roster = Sighting { revision: 7, since: at(100 - seen_s_before) };
    assert_eq!(Round::new(1, roster, at(100)).judge(adds_up, revision, at(now_s)), verdict);
}

#[test]
fn a_round_counts_if_the_roster_was_at_rest() {
    let now = Timestamp::from_second(130).unwrap();
    check_round(10, true, 7, 101, Verdict::Counts);
    check_round(9, true, 7, 100, Verdict::Wait);
    check_round(9, true, 7, 101, Verdict::Again);
    check_round(0, true, 7, 105, Verdict::Wait);
    check_round(60, true, 8, 130, Verdict::Changed(Sighting { revision: 8, since: now }));
    // What was seen after it began, and then is at rest: from the next round on.
    check_round(-30, true, 7, 139, Verdict::Wait);
    check_round(-30, true, 7, 140, Verdict::Again);
    // A part that was handed out twice, and not the same: everybody is counted again.
    check_round(60, false, 7, 101, Verdict::Again);
}

/// Whoever read the roster just before, or has a clock that is behind, hires nobody into totals that were
/// told.
#[test]
fn whoever_joins_once_a_cutoff_is_closed_is_not_in_its_totals() {
    let at = |time: &str| -> Timestamp { format!("2026-03-16T{time}Z").parse().unwrap() };
    let policy = policy(semi_monthly(15, 31), "06:00");
    let open = Cutoff::open("2026-03-15".parse().unwrap(), policy, 0, at("00:00:00"));
    let cutoff = Cutoff { closed: Some((at("00:01:00"), Totals::default())), ..open };
    let standing = StandingPolicy { policy: cutoff.policy.clone(), since: Timestamp::UNIX_EPOCH };
    let (period, employee) = (Period { cutoff: cutoff.clone(), standing }, ann());
    let (day, by) = (BusinessDay::new("UTC", 0).unwrap(), "admin".parse().unwrap());
    for now in ["00:00:59", "00:01:00", "00:02:00"] {
        let booking = period.join(&employee, &day, &by, at(now)).unwrap();
        assert!(!cutoff.includes(&booking), "{now}");
        assert!(booking.at >= at(now));
    }
}

fn ann() -> Employee {
    Employee {
        number: "100001".parse().unwrap(),
        name: "Ann".to_owned(),
        status: Status::Active,
        discount: crate::money::BasisPoints::NONE,
        limit: Some(minor(31_000)),
        badges: BTreeMap::new(),
        image_url: None,
        changed_at: None,
    }
}

/// What Ann gets who is hired at noon, where the latest cutoff was that of 28 February and days have changed
/// since.
#[track_caller]
fn check_joiner(opened_by: Schedule, standing: Schedule, since: &str, hired: &str, share: i64) {
    let at = |date: &str| -> Timestamp { format!("{date}T12:00:00Z").parse().unwrap() };
    let cutoff = Cutoff::open(
        "2026-02-28".parse().unwrap(),
        policy(opened_by, "06:00"),
        0,
        "2026-02-28T06:00:00Z".parse().unwrap(),
    );
    let standing = StandingPolicy { policy: policy(standing, "06:00"), since: at(since) };
    let (day, by) = (BusinessDay::new("UTC", 0).unwrap(), "admin".parse().unwrap());
    let booking = Period { cutoff, standing }.join(&ann(), &day, &by, at(hired)).unwrap();
    assert_eq!(booking.entry().unwrap().after.balance, minor(share), "hired on {hired}");
}

#[test]
fn a_joiner_has_the_share_of_the_days_until_the_next_cutoff_that_there_will_be() {
    let twice = semi_monthly(15, 31);
    check_joiner(twice, twice, "2026-02-01", "2026-03-10", 31_000 * 5 / 15);
    // Set on 10 March, monthly: nothing is due on the 15th any more.
    check_joiner(twice, monthly(31), "2026-03-10", "2026-03-20", 31_000 * 11 / 31);
    // Set on 3 March, twice a month: the period is half as long, and everybody gets more on the 15th.
    check_joiner(monthly(31), twice, "2026-03-03", "2026-03-10", 31_000 * 5 / 15);
    // Set on 16 March: the 15th was none of its days.
    check_joiner(monthly(31), twice, "2026-03-16", "2026-03-20", 31_000 * 11 / 31);
    // Due, and opened any moment: what it gives comes then.
    check_joiner(twice, twice, "2026-02-01", "2026-03-15", 0);
}
