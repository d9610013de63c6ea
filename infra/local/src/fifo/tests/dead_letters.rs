//! Redrive to the dead-letter queue and back.

use super::*;

/// Receives everything and lets it expire, so often.
fn fail(bench: &mut Bench, times: usize) {
    for _ in 0..times {
        bench.receive(10);
        bench.pass_s(30);
    }
}

#[test]
fn a_message_received_too_often_moves_and_its_group_goes_on() {
    let mut bench = Bench::sends(&["A1"]);
    fail(&mut bench, 3);
    bench.send("A2");
    assert_eq!(bench.bodies(10), ["A2"]);
    let dead = bench.receive_from(DEAD, 10).remove(0);
    assert_eq!((dead.content.body.as_str(), dead.content.group_id.as_str()), ("A1", "A"));
    assert_eq!(dead.source.as_deref(), Some(QUEUE));
}

#[test]
fn a_poisoned_message_delays_no_other_group() {
    let mut bench = Bench::sends(&["A1", "B1"]);
    for round in 0..5 {
        let name = format!("B{}", round + 2);
        let received = bench.receive(10);
        let of_b: Vec<&Received> = received.iter().filter(|m| m.content.group_id == "B").collect();
        assert_eq!(of_b.len(), 1, "round {round}");
        bench.delete(of_b[0]).expect("deleted");
        bench.send(&name);
        bench.pass_s(30);
    }
    assert_eq!(bodies(&bench.receive_from(DEAD, 10)), ["A1"]);
}

#[test]
fn a_move_task_brings_messages_back_in_order() {
    let mut bench = Bench::sends(&["A1", "B1", "A2"]);
    let ids: Vec<String> = bench.receive(10).into_iter().map(|message| message.message_id).collect();
    bench.pass_s(30);
    fail(&mut bench, 2);
    assert!(bench.bodies(10).is_empty());
    assert_eq!(bench.counts(DEAD), ("3".into(), "0".into()));
    assert_eq!(bench.fifo.start_message_move(DEAD, None, bench.now_ms), Ok(3));
    let back = bench.receive(10);
    assert_eq!(bodies(&back), ["A1", "A2", "B1"]);
    assert_eq!(back.iter().map(|message| message.message_id.clone()).collect::<Vec<_>>(), ids);
    assert!(back.iter().all(|message| message.receive_count == 1 && message.source.is_none()));
    assert_eq!(bench.counts(DEAD), ("0".into(), "0".into()));
}

#[test]
fn a_move_leaves_groups_in_flight_alone() {
    let mut bench = Bench::sends(&["A1", "A2", "B1"]);
    fail(&mut bench, 3);
    assert!(bench.bodies(10).is_empty());
    assert_eq!(bodies(&bench.receive_from(DEAD, 1)), ["A1"]);
    assert_eq!(bench.fifo.start_message_move(DEAD, None, bench.now_ms), Ok(1));
    assert_eq!(bench.bodies(10), ["B1"]);
}

#[test]
fn a_move_needs_a_dead_letter_queue_and_a_place_to_go() {
    let mut bench = Bench::new();
    assert_eq!(bench.fifo.start_message_move(QUEUE, None, 0), Err(FifoError::ResourceNotFound));
    assert_eq!(bench.fifo.start_message_move(DEAD, Some("none.fifo"), 0), Err(FifoError::ResourceNotFound));
    bench.fifo.send(DEAD, draft("A1"), bench.now_ms).expect("sent there directly");
    assert_eq!(bench.fifo.start_message_move(DEAD, None, bench.now_ms), Ok(0), "it has no origin");
    assert_eq!(bench.fifo.start_message_move(DEAD, Some(QUEUE), bench.now_ms), Ok(1));
}

#[test]
fn without_its_dead_letter_queue_a_message_stays() {
    let mut bench = Bench::sends(&["A1"]);
    bench.fifo.delete_queue(DEAD).expect("deleted");
    fail(&mut bench, 4);
    assert_eq!(bench.bodies(1), ["A1"]);
}
