//! Group order, visibility and receipt handles.

use super::*;

/// Sends, then receives with each `max` in turn without deleting anything.
#[track_caller]
fn check(sent: &[&str], maxes: &[usize], expected: &[&[&str]]) {
    let mut bench = Bench::sends(sent);
    let received: Vec<Vec<String>> = maxes.iter().map(|max| bench.bodies(*max)).collect();
    assert_eq!(received, expected);
}

#[test]
fn a_group_in_flight_is_closed() {
    check(&["A1", "A2", "A3", "B4"], &[1, 1, 1, 1], &[&["A1"], &["B4"], &[], &[]]);
    check(&["A1", "A2", "A3", "B4"], &[2, 10], &[&["A1", "A2"], &["B4"]]);
}

#[test]
fn a_receive_takes_a_group_in_order_and_then_the_next_oldest() {
    check(&["A1", "B1", "A2", "B2"], &[10], &[&["A1", "A2", "B1", "B2"]]);
    check(&["A1", "B1", "A2", "C1", "B2"], &[3, 10], &[&["A1", "A2", "B1"], &["C1"]]);
    let many: Vec<String> = (0..12).map(|n| format!("A{n:02}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    check(&many, &[10, 10], &[&many[..10], &[]]);
}

#[test]
fn expired_messages_come_back_at_their_old_place() {
    let mut bench = Bench::sends(&["A1", "A2", "A3"]);
    assert_eq!(bench.bodies(2), ["A1", "A2"]);
    bench.pass_s(29);
    assert!(bench.bodies(10).is_empty());
    bench.pass_s(1);
    assert_eq!(bench.bodies(10), ["A1", "A2", "A3"]);
}

#[test]
fn a_longer_hidden_head_keeps_the_rest_back() {
    let mut bench = Bench::sends(&["A1", "A2"]);
    let both = bench.receive(2);
    bench.fifo.change_visibility(QUEUE, &both[0].receipt_handle, 60, bench.now_ms).expect("longer");
    bench.pass_s(30);
    assert!(bench.bodies(10).is_empty());
    assert_eq!(bench.fifo.next_due(QUEUE), Some(bench.now_ms + 30 * SECOND_MS));
    bench.pass_s(30);
    assert_eq!(bench.bodies(10), ["A1", "A2"]);
}

#[test]
fn each_receive_counts_once() {
    let mut bench = Bench::sends(&["A1"]);
    let first = bench.receive(1).remove(0);
    bench.pass_s(30);
    let second = bench.receive(1).remove(0);
    assert_eq!((first.receive_count, second.receive_count), (1, 2));
    assert_eq!(second.first_received_ms, first.first_received_ms);
    assert_eq!(second.sent_ms, 1_000_000);
    assert_eq!(second.message_id, first.message_id);
}

#[test]
fn a_receive_that_reached_nobody_does_not_count() {
    let mut bench = Bench::sends(&["A1", "A2"]);
    let lost: Vec<String> = bench.receive(2).into_iter().map(|message| message.receipt_handle).collect();
    bench.fifo.give_back(QUEUE, &lost, bench.now_ms).expect("given back");
    let again = bench.receive(2);
    assert_eq!(bodies(&again), ["A1", "A2"]);
    assert!(again.iter().all(|message| message.receive_count == 1));
}

#[test]
fn zero_makes_a_message_visible_at_once_and_its_handle_stale() {
    let mut bench = Bench::sends(&["A1"]);
    let message = bench.receive(1).remove(0);
    bench.fifo.change_visibility(QUEUE, &message.receipt_handle, 0, bench.now_ms).expect("shown");
    assert!(matches!(bench.delete(&message), Err(FifoError::InvalidParameterValue(_))));
    assert_eq!(bench.bodies(1), ["A1"]);
}

#[test]
fn only_the_newest_handle_holds_and_only_while_hidden() {
    let mut bench = Bench::sends(&["A1"]);
    let old = bench.receive(1).remove(0);
    bench.pass_s(30);
    assert!(matches!(bench.delete(&old), Err(FifoError::InvalidParameterValue(_))));
    let new = bench.receive(1).remove(0);
    assert!(matches!(bench.delete(&old), Err(FifoError::InvalidParameterValue(_))));
    let hide = bench.fifo.change_visibility(QUEUE, &old.receipt_handle, 60, bench.now_ms);
    assert!(matches!(hide, Err(FifoError::InvalidParameterValue(_))));
    assert_eq!(bench.delete(&new), Ok(()));
    assert_eq!(bench.delete(&new), Ok(()), "deleting twice is a success");
    assert_eq!(bench.fifo.delete(QUEUE, "nonsense", bench.now_ms), Err(FifoError::ReceiptHandleIsInvalid));
    assert_eq!(
        bench.fifo.delete(DEAD, &new.receipt_handle, bench.now_ms),
        Err(FifoError::ReceiptHandleIsInvalid)
    );
}

#[test]
fn deleting_the_head_lets_the_next_of_the_group_through() {
    let mut bench = Bench::sends(&["A1", "A2"]);
    let head = bench.receive(1).remove(0);
    bench.fifo.drain_ready_queues();
    bench.delete(&head).expect("deleted");
    assert!(bench.fifo.drain_ready_queues().contains(QUEUE), "a waiting receive must be woken");
    assert_eq!(bench.bodies(1), ["A2"]);
}

#[test]
fn a_batch_fails_entry_by_entry() {
    let mut bench = Bench::sends(&["A1"]);
    let held = bench.receive(1).remove(0);
    let entry = |id: &str, handle: &str| Entry { id: id.to_owned(), item: handle.to_owned() };
    let outcomes = bench
        .fifo
        .delete_batch(QUEUE, vec![entry("bad", "x"), entry("good", &held.receipt_handle)], bench.now_ms)
        .expect("a batch");
    assert_eq!(outcomes[0].item, Err(FifoError::ReceiptHandleIsInvalid));
    assert_eq!(outcomes[1].item, Ok(()));
    assert_eq!(bench.counts(QUEUE), ("0".into(), "0".into()));
}

#[track_caller]
fn check_batch(entries: &[(&str, Draft)], expected: &FifoError) {
    let mut bench = Bench::new();
    let entries =
        entries.iter().map(|(id, draft)| Entry { id: (*id).to_owned(), item: draft.clone() }).collect();
    assert_eq!(bench.fifo.send_batch(QUEUE, entries, 0).as_ref(), Err(expected));
    assert_eq!(bench.counts(QUEUE).0, "0");
}

#[test]
fn a_batch_is_refused_as_a_whole() {
    check_batch(&[], &FifoError::EmptyBatchRequest);
    check_batch(&[("1", draft("A1")), ("1", draft("A2"))], &FifoError::BatchEntryIdsNotDistinct);
    check_batch(&[("a b", draft("A1"))], &FifoError::InvalidBatchEntryId);
    let ids: Vec<String> = (0..11).map(|n| n.to_string()).collect();
    let eleven: Vec<(&str, Draft)> = ids.iter().map(|id| (id.as_str(), draft(&format!("A{id}")))).collect();
    check_batch(&eleven, &FifoError::TooManyEntriesInBatchRequest(11));
    let half = Draft { body: "x".repeat(MESSAGE_MAX_BYTES / 2 + 1), ..draft("A1") };
    let two = [("1", half.clone()), ("2", half)];
    check_batch(&two, &FifoError::BatchRequestTooLong(MESSAGE_MAX_BYTES));
}

#[track_caller]
fn check_refused(draft: Draft) {
    let refused = Bench::new().fifo.send(QUEUE, draft, 0);
    assert!(refused.as_ref().is_err_and(FifoError::is_senders_fault), "{refused:?}");
}

#[test]
fn a_message_beyond_the_limits_is_refused() {
    check_refused(Draft { group_id: None, ..draft("A1") });
    check_refused(Draft { group_id: Some("x".repeat(129)), ..draft("A1") });
    check_refused(Draft { deduplication_id: None, ..draft("A1") });
    check_refused(Draft { deduplication_id: Some("has space".into()), ..draft("A1") });
    check_refused(Draft { body: String::new(), ..draft("A1") });
    check_refused(Draft { body: "\u{1}".into(), ..draft("A1") });
    check_refused(Draft { body: "x".repeat(MESSAGE_MAX_BYTES + 1), ..draft("A1") });
    let attributes = (0..=ATTRIBUTES_MAX).map(|n| (format!("a{n}"), AttributeValue::text("v"))).collect();
    check_refused(Draft { attributes, ..draft("A1") });
    let odd = AttributeValue { data_type: "Date".into(), value: Scalar::Text("v".into()) };
    check_refused(Draft { attributes: Attributes::from([("a".to_owned(), odd)]), ..draft("A1") });
    let largest = Draft { body: "x".repeat(MESSAGE_MAX_BYTES), ..draft("A1") };
    assert!(Bench::new().fifo.send(QUEUE, largest, 0).is_ok());
}

#[test]
fn what_is_too_old_is_gone_even_in_flight() {
    let mut bench = Bench::with(&[("MessageRetentionPeriod", "60"), ("VisibilityTimeout", "600")]);
    bench.send("A1");
    bench.pass_s(30);
    bench.send("A2");
    bench.receive(1);
    bench.pass_s(30);
    assert_eq!(bench.bodies(10), ["A2"]);
    bench.pass_s(30);
    assert_eq!(bench.counts(QUEUE), ("0".into(), "0".into()));
}
