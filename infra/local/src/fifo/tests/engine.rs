//! The engine: durable before it answers, nothing lost on the way to a caller that went away.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::*;
use crate::fifo::engine::{Clock, Engine};
use crate::fifo::store::Store;

/// Longer than anything here takes and shorter than a receive waits, so that a missed wake-up is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

fn clock(now_ms: &Arc<AtomicI64>) -> Clock {
    let now_ms = Arc::clone(now_ms);
    Arc::new(move || now_ms.load(Ordering::SeqCst))
}

fn open(path: &Path) -> Engine {
    Engine::open(path, realm(), clock(&Arc::new(AtomicI64::new(1_000_000)))).expect("open")
}

async fn make_queue(engine: &Engine) {
    let make = |fifo: &mut Fifo, now_ms| fifo.create_queue(QUEUE, &strings([("FifoQueue", "true")]), now_ms);
    engine.call(make).await.expect("queue");
}

async fn send(engine: &Engine, name: &'static str) -> Result<Sent, FifoError> {
    engine.call(move |fifo, now_ms| fifo.send(QUEUE, draft(name), now_ms)).await
}

async fn receive(engine: &Engine, max: usize, wait_s: i64) -> Vec<Received> {
    let wish = Receive { max, visibility_timeout_s: None };
    let received = engine.receive(QUEUE, wish, Some(wait_s));
    tokio::time::timeout(PATIENCE, received).await.expect("in time").expect("received")
}

/// The state as another process would find it after this one was killed now.
fn after_kill(path: &Path) -> Fifo {
    let copy = tempfile::tempdir().expect("directory");
    for suffix in ["", "-wal"] {
        let name = format!("fifo.sqlite{suffix}");
        std::fs::copy(path.with_file_name(&name), copy.path().join(&name)).expect("copied");
    }
    Store::open(&copy.path().join("fifo.sqlite")).expect("open").load(realm()).expect("loaded")
}

#[tokio::test]
async fn what_was_answered_survives_a_kill() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("fifo.sqlite");
    let engine = open(&path);
    make_queue(&engine).await;
    for name in ["A1", "A2", "B1"] {
        send(&engine, name).await.expect("sent");
    }
    let first = receive(&engine, 1, 0).await.remove(0);
    let handle = first.receipt_handle.clone();
    engine.call(move |fifo, now_ms| fifo.delete(QUEUE, &handle, now_ms)).await.expect("deleted");
    let held = receive(&engine, 1, 0).await.remove(0);

    let mut bench = Bench { fifo: after_kill(&path), now_ms: 1_000_000 };
    assert_eq!(bench.counts(QUEUE), ("1".into(), "1".into()));
    assert_eq!(bench.send("A1").message_id, first.message_id, "still a duplicate");
    assert_eq!(bench.delete(&held), Ok(()), "the receipt still holds");
    assert_eq!(bench.bodies(10), ["B1"]);
}

#[tokio::test]
async fn an_engine_dropped_and_opened_again_goes_on() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("fifo.sqlite");
    let engine = open(&path);
    make_queue(&engine).await;
    let sent = send(&engine, "A1").await.expect("sent");
    drop(engine);
    let engine = open(&path);
    assert_eq!(receive(&engine, 1, 0).await[0].message_id, sent.message_id);
    let other = send(&engine, "B1").await.expect("sent");
    assert_ne!(other, sent);
}

#[tokio::test]
async fn a_failed_commit_fails_its_requests_and_leaves_nothing() {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("fifo.sqlite");
    let engine = open(&path);
    make_queue(&engine).await;
    send(&engine, "A1").await.expect("sent");
    let spoil = |fifo: &mut Fifo, now_ms| {
        let sent = fifo.send(QUEUE, draft("B1"), now_ms)?;
        let twice =
            fifo.log.changes.iter().find(|change| matches!(change, Change::AddMessage { .. })).cloned();
        fifo.log.changes.extend(twice);
        Ok(sent)
    };
    assert_eq!(engine.call(spoil).await, Err(FifoError::Internal));
    let count = |fifo: &mut Fifo, now_ms| fifo.queue_attributes(QUEUE, now_ms);
    assert_eq!(engine.call(count).await.expect("attributes")["ApproximateNumberOfMessages"], "1");
    send(&engine, "B1").await.expect("not a duplicate of what was undone");
    assert_eq!(bodies(&receive(&engine, 10, 0).await), ["A1", "B1"]);
}

#[tokio::test]
async fn a_waiting_receive_gets_what_is_sent() {
    let directory = tempfile::tempdir().expect("directory");
    let engine = open(&directory.path().join("fifo.sqlite"));
    make_queue(&engine).await;
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { receive(&engine, 10, 20).await }
    });
    tokio::task::yield_now().await;
    send(&engine, "A1").await.expect("sent");
    assert_eq!(bodies(&waiting.await.expect("joined")), ["A1"]);
}

#[tokio::test]
async fn a_waiting_receive_gets_what_expires() {
    let directory = tempfile::tempdir().expect("directory");
    let now_ms = Arc::new(AtomicI64::new(0));
    let engine = Engine::open(&directory.path().join("fifo.sqlite"), realm(), clock(&now_ms)).expect("open");
    make_queue(&engine).await;
    send(&engine, "A1").await.expect("sent");
    receive(&engine, 1, 0).await;
    // A thousandth of a second before it is due: the receive asks, waits that long, and asks again.
    now_ms.store(29_999, Ordering::SeqCst);
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { receive(&engine, 1, 20).await }
    });
    engine.call(|_, _| Ok(())).await.expect("a turn");
    now_ms.store(30_000, Ordering::SeqCst);
    assert_eq!(waiting.await.expect("joined")[0].receive_count, 2);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let directory = tempfile::tempdir().expect("directory");
    let engine = open(&directory.path().join("fifo.sqlite"));
    make_queue(&engine).await;
    send(&engine, "A1").await.expect("sent");
    // Polled just far enough to have asked; the answer finds nobody, on its way or already there.
    for _ in 0..20 {
        let wish = Receive { max: 1, visibility_timeout_s: None };
        let mut receive = Box::pin(engine.receive(QUEUE, wish, Some(20)));
        let answer = std::future::poll_fn(|cx| std::task::Poll::Ready(receive.as_mut().poll(cx))).await;
        drop(receive);
        // Now and then the engine is fast enough to answer within that one poll.
        if let std::task::Poll::Ready(answer) = answer {
            let handles = [answer.expect("received").remove(0).receipt_handle];
            engine
                .call(move |fifo, now_ms| fifo.give_back(QUEUE, &handles, now_ms))
                .await
                .expect("given back");
        }
    }
    let message = receive(&engine, 1, 20).await.remove(0);
    assert_eq!(message.receive_count, 1);
}

#[tokio::test]
async fn deleting_a_queue_ends_the_receives_that_wait_for_it() {
    let directory = tempfile::tempdir().expect("directory");
    let engine = open(&directory.path().join("fifo.sqlite"));
    make_queue(&engine).await;
    let waiting = tokio::spawn({
        let engine = engine.clone();
        async move { engine.receive(QUEUE, Receive { max: 1, visibility_timeout_s: None }, Some(20)).await }
    });
    tokio::task::yield_now().await;
    engine.call(|fifo, _| fifo.delete_queue(QUEUE)).await.expect("deleted");
    let ended = tokio::time::timeout(PATIENCE, waiting).await.expect("in time").expect("joined");
    assert_eq!(ended, Err(FifoError::QueueDoesNotExist));
}

/// How many publishes a second 64 callers get stored and answered; run it by name to see the figure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn publishes_per_second() {
    use std::io::Write;
    const PUBLISHERS: usize = 64;
    const EACH: usize = 1_000;
    let directory = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("directory");
    let engine = open(&directory.path().join("fifo.sqlite"));
    make_queue(&engine).await;
    let subscribe = |fifo: &mut Fifo, _| {
        fifo.create_topic(TOPIC, &strings([("FifoTopic", "true")]))?;
        fifo.subscribe(TOPIC, QUEUE, &strings([("RawMessageDelivery", "true")]))
    };
    engine.call(subscribe).await.expect("subscribed");
    let started = std::time::Instant::now();
    let mut publishers = tokio::task::JoinSet::new();
    for publisher in 0..PUBLISHERS {
        let engine = engine.clone();
        publishers.spawn(async move {
            for n in 0..EACH {
                let body = format!("{publisher}-{n} {}", "x".repeat(600));
                let id = format!("{publisher}-{n}");
                let draft =
                    Draft { body, deduplication_id: Some(id), ..draft_of_kind(&format!("{publisher}"), "x") };
                engine.call(move |fifo, now_ms| fifo.publish(TOPIC, draft, now_ms)).await.expect("published");
            }
        });
    }
    while publishers.join_next().await.is_some() {}
    let ms = started.elapsed().as_millis().max(1);
    let total = (PUBLISHERS * EACH) as u128;
    writeln!(std::io::stderr(), "{total} publishes in {ms} ms: {} a second", total * 1_000 / ms)
        .expect("written");
}
