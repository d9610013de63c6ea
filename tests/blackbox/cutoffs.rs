//! Credit as an administrator sees it: a policy, a look at what it would do, a cutoff by hand, and the proof.

use serde_json::{Value, json};
use std::time::Duration;
use tests::PATIENCE;
use tests::target::Target;
use tests::terminal::{Answer, Terminal};

/// Between two looks whether a cutoff is closed.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// A cent more for everybody, so that nobody's test minds.
fn policy() -> Value {
    json!({
        "days": [15, "last"], "time": "06:00", "method": "top_up", "amount": 1, "cap": 1_000_000_000,
        "negative_balance": "carry", "default_limit": 0, "prorates_joiners": false,
    })
}

async fn preview(admin: &Terminal, path: &str, headers: &[(&str, &str)], body: &Value) -> Answer {
    let headers = [headers, &[("content-type", "application/json")]].concat();
    admin.post(path, &headers, &body.to_string()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_shows_when_and_to_whom() {
    let target = Target::find().await;
    let admin = target.terminal("globex-admin").await;
    let wrong = json!({
        "days": [31, 15], "time": "6", "method": "reset", "amount": 1, "negative_balance": "forget",
        "default_limit": -1, "prorates_joiners": false,
    });
    let refused = admin.command("PUT", "/v1/credit-policy", &wrong).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    let mut named: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    named.sort_by_key(Value::to_string);
    assert_eq!(named, ["/amount", "/days", "/default_limit", "/negative_balance", "/time"]);

    let set = admin.command("PUT", "/v1/credit-policy", &policy()).await;
    assert_eq!(set.outcome(), "applied", "{set:?}");
    let shown = admin.get("/v1/credit-policy", &[]).await.body;
    assert_eq!(shown["next_cutoffs"].as_array().map(Vec::len), Some(5), "{shown}");

    let asked = json!({ "policy": policy() });
    let page = preview(&admin, "/v1/cutoffs/preview?limit=2", &[], &asked).await;
    assert_eq!(page.status, 200, "{page:?}");
    let line = &page.body["items"][0];
    let number = |field: &str| line[field].as_i64().unwrap_or_else(|| panic!("{page:?}"));
    assert_eq!((line["status"].as_str(), line["why"].as_str()), (Some("booked"), Some("topped-up")));
    assert_eq!(number("balance_after"), number("balance_before") + 1);
    assert_eq!((&page.body["totals"]["booked"], &page.body["totals"]["granted"]), (&json!(2), &json!(2)));
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = preview(&admin, &format!("/v1/cutoffs/preview?limit=2&cursor={cursor}"), &[], &asked).await;
    assert_eq!(next.body["totals"]["booked"], 4, "{next:?}");
    // A cursor is good for what it was made for, and for nobody else.
    let other = json!({ "policy": { "days": ["last"], "time": "06:00", "method": "raise_to", "negative_balance": "carry",
        "default_limit": 0, "prorates_joiners": false } });
    let strange = preview(&admin, &format!("/v1/cutoffs/preview?cursor={cursor}"), &[], &other).await;
    assert_eq!(strange.status, 400, "{strange:?}");

    let as_csv = preview(&admin, "/v1/cutoffs/preview?limit=2", &[("accept", "text/csv")], &asked).await;
    assert_eq!(as_csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert!(as_csv.header("link").is_some_and(|link| link.contains("rel=\"next\"")), "{as_csv:?}");
    let mut lines = as_csv.body.as_str().expect("a table").lines();
    let columns = "employee_number,status,why,balance_before,granted,expired,balance_after";
    assert_eq!(lines.next(), Some(columns));
    let first: Vec<_> = lines.next().expect("a row").split(',').collect();
    let [number, "booked", "topped-up", before, "1", "0", after] = first[..] else { panic!("{first:?}") };
    assert_eq!(number, line["employee_number"]);
    assert_eq!(after.parse(), before.parse::<i64>().map(|before| before + 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cutoff_by_hand_is_booked_once_and_proved() {
    let target = Target::find().await;
    let admin = target.terminal("globex-admin").await;
    let set = admin.command("PUT", "/v1/credit-policy", &policy()).await;
    assert_eq!(set.outcome(), "applied", "{set:?}");
    let next = admin.get("/v1/credit-policy", &[]).await.body["next_cutoffs"][0]["date"].clone();
    let by_hand = json!({ "date": next, "reason": "paid early" });
    let opened = admin.command("POST", "/v1/cutoffs", &by_hand).await;
    // Where the suite has run before, it is there.
    assert!(matches!(opened.outcome(), "applied" | "cutoff-passed" | "cutoff-open"), "{opened:?}");
    let date = next.as_str().unwrap();
    let path = format!("/v1/cutoffs/{date}");
    let closed = async {
        loop {
            let cutoff = admin.get(&path, &[]).await;
            if cutoff.body["status"] == "closed" {
                return cutoff.body;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let cutoff = tokio::time::timeout(PATIENCE, closed).await.expect("the cutoff is closed");
    let totals = &cutoff["totals"];
    assert_eq!((&totals["missing"], &totals["booked"]), (&json!(0), &cutoff["expected"]), "{cutoff}");
    assert_eq!(totals["granted"], cutoff["expected"], "a cent each: {cutoff}");
    let again = admin.command("POST", "/v1/cutoffs", &by_hand).await;
    assert_eq!((again.outcome(), &again.body["rejection"]["cutoff"]), ("cutoff-passed", &json!(date)));
    let resumed = admin.command("POST", &format!("{path}/resume"), &json!({ "reason": "to see" })).await;
    assert_eq!(resumed.outcome(), "cutoff-closed", "{resumed:?}");

    let (mut granted, mut cursor) = (0, String::new());
    let totals = loop {
        let page = admin.get(&format!("/v1/reports/credit?limit=100{cursor}"), &[]).await;
        assert_eq!(page.status, 200, "{page:?}");
        for line in page.body["items"].as_array().unwrap() {
            let number = |field: &str| line[field].as_i64().unwrap_or_else(|| panic!("{line}"));
            let closing = number("opening") + number("granted") + number("adjusted") + number("refunded")
                - number("spent")
                - number("expired");
            assert_eq!((number("closing"), &line["difference"]), (closing, &Value::Null), "{line}");
            granted += number("granted");
        }
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break page.body["totals"].clone(),
        }
    };
    assert_eq!((totals["granted"].as_i64(), &totals["differences"]), (Some(granted), &json!(0)), "{totals}");
}
