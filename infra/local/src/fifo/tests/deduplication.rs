//! The five-minute window, at the queue and at the topic.

use super::*;

/// Sends a first message, lets `after_s` pass and sends another; is that one a duplicate?
#[track_caller]
fn check(settings: &[(&str, &str)], first: Draft, after_s: i64, second: Draft, is_duplicate: bool) {
    let mut bench = Bench::with(settings);
    let first = bench.fifo.send(QUEUE, first, bench.now_ms).expect("first");
    bench.pass_s(after_s);
    let second = bench.fifo.send(QUEUE, second, bench.now_ms).expect("second");
    assert_eq!(first == second, is_duplicate);
    assert_eq!(bench.counts(QUEUE).0, if is_duplicate { "1" } else { "2" });
}

#[test]
fn a_repeated_id_is_swallowed_for_five_minutes() {
    check(&[], draft("A1"), 0, draft("A1"), true);
    check(&[], draft("A1"), 299, draft("A1"), true);
    check(&[], draft("A1"), 300, draft("A1"), false);
    check(&[], draft("A1"), 0, draft("A2"), false);
    let other_body = Draft { body: "A2".into(), ..draft("A1") };
    check(&[], draft("A1"), 0, other_body, true);
}

#[test]
fn the_scope_is_the_queue_or_the_group() {
    let other_group = || Draft { group_id: Some("B".into()), ..draft("A1") };
    check(&[], draft("A1"), 0, other_group(), true);
    check(&[("DeduplicationScope", "messageGroup")], draft("A1"), 0, other_group(), false);
    check(&[("DeduplicationScope", "messageGroup")], draft("A1"), 0, draft("A1"), true);
}

#[test]
fn an_id_can_come_from_the_body() {
    let by_body = |body: &str| Draft { body: body.into(), deduplication_id: None, ..draft("A1") };
    let on = [("ContentBasedDeduplication", "true")];
    check(&on, by_body("A1"), 0, by_body("A1"), true);
    check(&on, by_body("A1"), 0, by_body("A2"), false);
    let mut bench = Bench::with(&on);
    bench.fifo.send(QUEUE, by_body("A1"), bench.now_ms).expect("sent");
    let sha256_of_a1 = "16a36e86f6fed5d465ff332511a0ce1a863b55d364b25a7cdaa25db19abf9648";
    assert_eq!(bench.receive(1)[0].content.deduplication_id, sha256_of_a1);
}

#[test]
fn a_deleted_message_still_has_duplicates() {
    let mut bench = Bench::sends(&["A1"]);
    let message = bench.receive(1).remove(0);
    bench.delete(&message).expect("deleted");
    let again = bench.send("A1");
    assert_eq!(again.message_id, message.message_id);
    assert_eq!(again.sequence, message.sequence);
    assert!(bench.bodies(1).is_empty());
}

fn topic_bench(settings: Strings) -> Bench {
    let mut bench = Bench::with(&[("DeduplicationScope", "messageGroup")]);
    bench.fifo.create_topic(TOPIC, &settings).expect("topic");
    let raw = strings([("RawMessageDelivery", "true")]);
    bench.fifo.subscribe(TOPIC, QUEUE, &raw).expect("subscribed");
    bench
}

#[track_caller]
fn check_topic(scope: &str, second: Draft, after_s: i64, is_duplicate: bool) {
    let mut bench = topic_bench(strings([("FifoTopic", "true"), ("FifoThroughputScope", scope)]));
    let first = bench.fifo.publish(TOPIC, draft("A1"), bench.now_ms).expect("first");
    let delivered = bench.receive(1).remove(0);
    bench.delete(&delivered).expect("deleted");
    bench.pass_s(after_s);
    let second = bench.fifo.publish(TOPIC, second, bench.now_ms).expect("second");
    assert_eq!(first == second, is_duplicate);
    assert_eq!(bench.bodies(10).is_empty(), is_duplicate);
}

#[test]
fn a_topic_deduplicates_before_it_fans_out() {
    let other_group = || Draft { group_id: Some("B".into()), ..draft("A1") };
    check_topic("Topic", draft("A1"), 299, true);
    check_topic("Topic", draft("A1"), 300, false);
    check_topic("Topic", other_group(), 0, true);
    check_topic("MessageGroup", other_group(), 0, false);
    check_topic("MessageGroup", draft("A1"), 0, true);
}

#[test]
fn a_topic_can_take_the_id_from_the_body() {
    let mut bench = topic_bench(strings([("FifoTopic", "true"), ("ContentBasedDeduplication", "true")]));
    let by_body = Draft { deduplication_id: None, ..draft("A1") };
    let first = bench.fifo.publish(TOPIC, by_body.clone(), bench.now_ms);
    assert_eq!(bench.fifo.publish(TOPIC, by_body.clone(), bench.now_ms), first);
    assert_eq!(bench.bodies(10), ["A1"]);
    let mut bench = topic_bench(strings([("FifoTopic", "true")]));
    assert!(bench.fifo.publish(TOPIC, by_body, bench.now_ms).is_err());
}
