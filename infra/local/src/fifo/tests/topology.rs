//! Making, changing and removing topics, queues and subscriptions; fan-out through filters.

use super::*;

const OTHER: &str = "admin.fifo";

fn fan_out_bench() -> (Bench, String) {
    let mut bench = Bench::new();
    bench.fifo.create_queue(OTHER, &strings([("FifoQueue", "true")]), 0).expect("queue");
    bench.fifo.create_topic(TOPIC, &strings([("FifoTopic", "true")])).expect("topic");
    let filtered = |policy| strings([("RawMessageDelivery", "true"), ("FilterPolicy", policy)]);
    bench.fifo.subscribe(TOPIC, QUEUE, &filtered(r#"{"kind":["checkout","both"]}"#)).expect("subscribed");
    let arn =
        bench.fifo.subscribe(TOPIC, OTHER, &filtered(r#"{"kind":["admin","both"]}"#)).expect("subscribed");
    (bench, arn)
}

#[track_caller]
fn check(kind: &str, queue: usize, other: usize) {
    let (mut bench, _) = fan_out_bench();
    bench.fifo.publish(TOPIC, draft_of_kind("A1", kind), bench.now_ms).expect("published");
    let received = [bench.receive_from(QUEUE, 10), bench.receive_from(OTHER, 10)];
    assert_eq!(received.each_ref().map(Vec::len), [queue, other]);
    for message in received.iter().flatten() {
        assert_eq!(*message.content, {
            let Draft { body, attributes, .. } = draft_of_kind("A1", kind);
            Content { body, group_id: "A".into(), deduplication_id: "A1".into(), attributes }
        });
    }
}

#[test]
fn a_message_goes_to_every_queue_whose_filter_admits_it() {
    check("checkout", 1, 0);
    check("admin", 0, 1);
    check("both", 1, 1);
    check("neither", 0, 0);
}

#[test]
fn subscriptions_can_be_changed_and_ended() {
    let (mut bench, arn) = fan_out_bench();
    assert!(bench.fifo.set_subscription_attribute(&arn, "FilterPolicy", r#"{"kind":[]}"#).is_err());
    bench.fifo.set_subscription_attribute(&arn, "FilterPolicy", r#"{"kind":["checkout"]}"#).expect("set");
    bench.fifo.publish(TOPIC, draft_of_kind("A1", "checkout"), bench.now_ms).expect("published");
    assert_eq!(bodies(&bench.receive_from(OTHER, 10)), ["A1"]);
    bench.fifo.unsubscribe(&arn).expect("unsubscribed");
    assert_eq!(bench.fifo.subscriptions(TOPIC).expect("listed").len(), 1);
    assert_eq!(bench.fifo.unsubscribe(&arn), Err(FifoError::NotFound("subscription")));
}

#[test]
fn only_raw_delivery_is_offered() {
    let (mut bench, arn) = fan_out_bench();
    bench.fifo.create_queue("third.fifo", &strings([("FifoQueue", "true")]), 0).expect("queue");
    assert!(bench.fifo.subscribe(TOPIC, "third.fifo", &Strings::new()).is_err());
    assert!(bench.fifo.set_subscription_attribute(&arn, "RawMessageDelivery", "false").is_err());
}

#[test]
fn making_again_is_a_success_only_with_the_same_attributes() {
    let (mut bench, arn) = fan_out_bench();
    let queue = |timeout| strings([("FifoQueue", "true"), ("VisibilityTimeout", timeout)]);
    assert_eq!(bench.fifo.create_queue(QUEUE, &queue("30"), 5), Ok(()));
    assert_eq!(
        bench.fifo.create_queue(QUEUE, &queue("31"), 5),
        Err(FifoError::QueueNameExists(QUEUE.into()))
    );
    let topic = |content| strings([("FifoTopic", "true"), ("ContentBasedDeduplication", content)]);
    assert_eq!(bench.fifo.create_topic(TOPIC, &topic("false")), Ok(()));
    assert!(bench.fifo.create_topic(TOPIC, &topic("true")).is_err());
    let filter = |policy| strings([("RawMessageDelivery", "true"), ("FilterPolicy", policy)]);
    assert_eq!(bench.fifo.subscribe(TOPIC, OTHER, &filter(r#"{"kind":["both","admin"]}"#)), Ok(arn));
    assert!(bench.fifo.subscribe(TOPIC, OTHER, &filter(r#"{"kind":["admin"]}"#)).is_err());
}

#[track_caller]
fn check_queue_refused(name: &str, attributes: Strings) {
    assert!(Bench::new().fifo.create_queue(name, &attributes, 0).is_err());
}

#[test]
fn what_is_not_supported_is_refused() {
    let with = |name, value| strings([("FifoQueue", "true"), (name, value)]);
    check_queue_refused("plain", Strings::new());
    check_queue_refused("plain", with("VisibilityTimeout", "30"));
    check_queue_refused("new.fifo", strings([("VisibilityTimeout", "30")]));
    check_queue_refused(&format!("{}.fifo", "x".repeat(76)), with("VisibilityTimeout", "30"));
    check_queue_refused("new.fifo", with("VisibilityTimeout", "43201"));
    check_queue_refused("new.fifo", with("MessageRetentionPeriod", "59"));
    check_queue_refused("new.fifo", with("DelaySeconds", "1"));
    check_queue_refused("new.fifo", with("Unheard", "1"));
    let nowhere =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:no.fifo","maxReceiveCount":3}"#;
    check_queue_refused("new.fifo", with("RedrivePolicy", nowhere));
    let never = nowhere.replace("no.fifo", DEAD).replace(":3}", ":0}");
    check_queue_refused("new.fifo", with("RedrivePolicy", &never));
    assert!(Bench::new().fifo.create_topic("plain", &strings([("FifoTopic", "true")])).is_err());
    assert!(Bench::new().fifo.create_topic(TOPIC, &Strings::new()).is_err());
}

#[test]
fn attributes_read_as_they_were_set() {
    let mut bench = Bench::sends(&["A1", "B1"]);
    bench.receive(1);
    bench.fifo.set_queue_attributes(QUEUE, &strings([("VisibilityTimeout", "90")]), 5_000).expect("set");
    let attributes = bench.fifo.queue_attributes(QUEUE, bench.now_ms).expect("attributes");
    let expected = [
        ("ApproximateNumberOfMessages", "1"),
        ("ApproximateNumberOfMessagesNotVisible", "1"),
        ("FifoQueue", "true"),
        ("LastModifiedTimestamp", "5"),
        ("QueueArn", "arn:aws:sqs:eu-central-1:000000000000:checkouts.fifo"),
        ("VisibilityTimeout", "90"),
        (
            "RedrivePolicy",
            r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead.fifo","maxReceiveCount":3}"#,
        ),
    ];
    for (name, value) in expected {
        assert_eq!(attributes.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[test]
fn what_is_gone_is_said_to_be_gone() {
    let (mut bench, _) = fan_out_bench();
    bench.fifo.delete_queue(OTHER).expect("deleted");
    assert_eq!(bench.fifo.delete_queue(OTHER), Err(FifoError::QueueDoesNotExist));
    assert!(bench.fifo.publish(TOPIC, draft_of_kind("A1", "admin"), 0).is_ok(), "to nobody");
    bench.fifo.delete_topic(TOPIC);
    assert_eq!(bench.fifo.publish(TOPIC, draft("A1"), 0), Err(FifoError::NotFound("topic")));
    bench.send("A1");
    bench.fifo.purge_queue(QUEUE).expect("purged");
    assert!(bench.bodies(10).is_empty());
}
