//! The machine on its own thread behind a bounded channel, answered only after its changes are stored.
//! Whatever waits is applied together and written in one transaction, and where many did, the next ones wait
//! a moment for company. If a transaction fails, all of it is answered with an internal error and the machine
//! is loaded again from the file, which so always has the last word.

mod inline;

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::Instant;

use super::store::{Store, StoreError};
use super::{Change, Fifo, FifoError, Realm, Receive, Received, WAIT_MAX_S};
use inline::Inline;

/// Requests waiting for the thread; further callers wait their turn.
const REQUESTS_MAX: usize = 1_024;
/// Requests of one transaction: enough to share a sync, few enough to answer within milliseconds.
const COMMIT_MAX: usize = 256;
/// How long requests wait for others to share a sync with, where many did the last time.
const GATHERING: Duration = Duration::from_millis(1);
/// So many that a sync is had sooner than it is shared.
const FEW: usize = 3;
/// Between two looks at a queue that told nothing: somebody may have set the clock.
const LOOK_AGAIN: Duration = Duration::from_secs(WAIT_MAX_S.unsigned_abs());

/// Epoch milliseconds, now.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// A handle on the engine; the last one dropped ends the thread.
#[derive(Clone)]
pub struct Engine {
    machine: Machine,
    signals: Arc<Signals>,
    clock: Clock,
    realm: Realm,
}

/// Where requests run: on the engine's thread, or on the caller's.
#[derive(Clone)]
enum Machine {
    Thread(mpsc::Sender<Request>),
    Inline(Arc<Inline>),
}

type Request = Box<dyn FnOnce(&mut Fifo, i64) -> Reply + Send>;
/// Told whether the request's changes were stored.
type Reply = Box<dyn FnOnce(bool) + Send>;

/// Wakes receives that wait for a queue; a signal lives as long as someone waits for it.
#[derive(Default)]
struct Signals(Mutex<HashMap<String, Weak<Notify>>>);

impl Engine {
    /// Opens the file and starts the thread. Only one process can have the file open.
    pub fn open(path: &Path, realm: Realm, clock: Clock) -> Result<Self, StoreError> {
        Self::start(Store::open(path)?, realm, clock)
    }

    pub(super) fn start(store: Store, realm: Realm, clock: Clock) -> Result<Self, StoreError> {
        let fifo = store.load(realm.clone())?;
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let signals = Arc::new(Signals::default());
        let thread = Thread { fifo, store, signals: Arc::clone(&signals), clock: Arc::clone(&clock) };
        std::thread::Builder::new().name("fifo".into()).spawn(move || thread.run(inbox))?;
        Ok(Self { machine: Machine::Thread(requests), signals, clock, realm })
    }

    /// A machine without thread and file: every request runs where it is made, and what it changed is
    /// shown to `observe` before it is answered. For simulations, which own time and threads.
    pub fn inline(realm: Realm, clock: Clock, observe: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        let signals = Arc::new(Signals::default());
        let fifo = Fifo::new(realm.clone(), 0);
        let inline = Inline::new(fifo, Arc::clone(&signals), Arc::clone(&clock), observe);
        Self { machine: Machine::Inline(Arc::new(inline)), signals, clock, realm }
    }

    pub fn realm(&self) -> &Realm {
        &self.realm
    }

    /// Runs one operation on the machine; the answer comes after its changes are stored.
    pub async fn call<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Fifo, i64) -> Result<T, FifoError> + Send + 'static,
    ) -> Result<T, FifoError> {
        self.call_then(operation, |done| done).await
    }

    /// Receives messages, waiting up to `wait_s` (`None`: as the queue says) until there are some. If the
    /// caller stops waiting, messages on their way to it go back at once, uncounted.
    pub async fn receive(
        &self,
        queue: &str,
        wish: Receive,
        wait_s: Option<i64>,
    ) -> Result<Vec<Received>, FifoError> {
        let name = queue.to_owned();
        let wait_s = match wait_s {
            Some(wait_s) => wait_s,
            None => self.call(move |fifo, _| fifo.wait_s(&name)).await?,
        };
        let wait_s = u64::try_from(wait_s).ok().filter(|_| wait_s <= WAIT_MAX_S).ok_or_else(|| {
            FifoError::InvalidParameterValue("WaitTimeSeconds: it must be between 0 and 20".into())
        })?;
        let deadline = Instant::now() + Duration::from_secs(wait_s);
        let signal = self.signals.of(queue);
        loop {
            let mut ready = std::pin::pin!(signal.notified());
            ready.as_mut().enable();
            let (messages, due_ms) = self.receive_now(queue, wish).await?;
            if !messages.is_empty() || Instant::now() >= deadline {
                return Ok(messages);
            }
            self.until_changed(ready, due_ms, deadline).await;
        }
    }

    /// Waits until messages are visible, and takes none: for whoever wants to make no receive in vain.
    pub async fn until_visible(&self, queue: &str) -> Result<(), FifoError> {
        let signal = self.signals.of(queue);
        loop {
            let mut ready = std::pin::pin!(signal.notified());
            ready.as_mut().enable();
            let name = queue.to_owned();
            let look =
                move |fifo: &mut Fifo, now_ms| Ok((fifo.waiting(&name, now_ms)?, fifo.next_due(&name)));
            let (waiting, due_ms) = self.call(look).await?;
            if waiting > 0 {
                return Ok(());
            }
            self.until_changed(ready, due_ms, Instant::now() + LOOK_AGAIN).await;
        }
    }

    /// Waits for a queue's signal, or until one of its messages is due, or a deadline.
    async fn until_changed(&self, ready: Pin<&mut Notified<'_>>, due_ms: Option<i64>, deadline: Instant) {
        let wake = due_ms.map_or(deadline, |due_ms| deadline.min(Instant::now() + self.until(due_ms)));
        tokio::select! {
            () = ready => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }

    async fn receive_now(
        &self,
        queue: &str,
        wish: Receive,
    ) -> Result<(Vec<Received>, Option<i64>), FifoError> {
        let name = queue.to_owned();
        let operation = move |fifo: &mut Fifo, now_ms| {
            let messages = fifo.receive(&name, wish, now_ms)?;
            Ok((messages, fifo.next_due(&name)))
        };
        let (engine, name) = (self.clone(), queue.to_owned());
        let hold = move |(messages, due_ms)| (Held { messages, queue: name, engine }, due_ms);
        let (held, due_ms) = self.call_then(operation, hold).await?;
        Ok((held.take(), due_ms))
    }

    /// As `call`; `then` runs only once the changes are stored.
    async fn call_then<T: Send + 'static, U: Send + 'static>(
        &self,
        operation: impl FnOnce(&mut Fifo, i64) -> Result<T, FifoError> + Send + 'static,
        then: impl FnOnce(T) -> U + Send + 'static,
    ) -> Result<U, FifoError> {
        let (answer, answered) = oneshot::channel();
        let request: Request = Box::new(move |fifo, now_ms| {
            let outcome = operation(fifo, now_ms);
            Box::new(move |stored| {
                let outcome = if stored { outcome.map(then) } else { Err(FifoError::Internal) };
                // A caller that went away needs no answer; what it would have received returns by `Held`.
                drop(answer.send(outcome));
            })
        });
        match &self.machine {
            Machine::Thread(requests) => requests.send(request).await.map_err(|_| FifoError::Internal)?,
            Machine::Inline(inline) => inline.run(request),
        }
        answered.await.map_err(|_| FifoError::Internal)?
    }

    /// True while some receive waits for the queue.
    #[cfg(test)]
    pub(super) fn is_waited_for(&self, queue: &str) -> bool {
        self.signals.lock().get(queue).is_some_and(|signal| signal.strong_count() > 0)
    }

    /// How long until the clock shows `due_ms`; at least a millisecond, so that no clock makes a busy loop.
    fn until(&self, due_ms: i64) -> Duration {
        let left_ms = due_ms.saturating_sub((self.clock)()).max(1);
        Duration::from_millis(left_ms.unsigned_abs())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("realm", &self.realm).finish_non_exhaustive()
    }
}

/// Received messages between the engine and the caller's hands; dropped there, they go back.
struct Held {
    messages: Vec<Received>,
    queue: String,
    engine: Engine,
}

impl Held {
    fn take(mut self) -> Vec<Received> {
        std::mem::take(&mut self.messages)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let handles: Vec<String> = self.messages.drain(..).map(|message| message.receipt_handle).collect();
        let queue = std::mem::take(&mut self.queue);
        let request: Request = Box::new(move |fifo, now_ms| {
            let returned = fifo.give_back(&queue, &handles, now_ms);
            Box::new(move |_| {
                if let Err(error) = returned {
                    tracing::debug!(%error, "undelivered messages had no queue to return to");
                }
            })
        });
        match &self.engine.machine {
            Machine::Inline(inline) => inline.run(request),
            // This runs on the engine's own thread too, which must not wait for itself.
            Machine::Thread(requests) => {
                if requests.try_send(request).is_err() {
                    tracing::warn!("undelivered messages stay hidden until their visibility timeout");
                }
            }
        }
    }
}

struct Thread {
    fifo: Fifo,
    store: Store,
    signals: Arc<Signals>,
    clock: Clock,
}

impl Thread {
    fn run(mut self, mut inbox: mpsc::Receiver<Request>) {
        let mut is_busy = false;
        while let Some(first) = inbox.blocking_recv() {
            if is_busy && inbox.len() < COMMIT_MAX {
                gather();
            }
            let now_ms = (self.clock)();
            let mut replies = vec![first(&mut self.fifo, now_ms)];
            while replies.len() < COMMIT_MAX
                && let Ok(request) = inbox.try_recv()
            {
                replies.push(request(&mut self.fifo, now_ms));
            }
            is_busy = replies.len() > FEW;
            let stored = match self.commit() {
                Ok(()) => true,
                Err(error) => {
                    log(&error, "a commit of the queue engine failed");
                    if !self.reload() {
                        return;
                    }
                    false
                }
            };
            replies.into_iter().for_each(|reply| reply(stored));
            self.signals.wake(self.fifo.drain_ready_queues());
        }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let changes = self.fifo.drain_changes();
        if changes.is_empty() { Ok(()) } else { self.store.commit(&changes) }
    }

    /// False if the file cannot be read either: the thread ends, and every request fails from then on.
    fn reload(&mut self) -> bool {
        match self.store.load(self.fifo.realm().clone()) {
            Ok(fifo) => {
                self.fifo = fifo;
                self.signals.wake_all();
                true
            }
            Err(error) => {
                log(&error, "the queue engine stops: its file cannot be read");
                false
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "nobody says when there will be company enough")]
fn gather() {
    std::thread::sleep(GATHERING);
}

impl Signals {
    fn of(&self, queue: &str) -> Arc<Notify> {
        let mut signals = self.lock();
        if let Some(signal) = signals.get(queue).and_then(Weak::upgrade) {
            return signal;
        }
        signals.retain(|_, signal| signal.strong_count() > 0);
        let signal = Arc::new(Notify::new());
        signals.insert(queue.to_owned(), Arc::downgrade(&signal));
        signal
    }

    fn wake(&self, queues: impl IntoIterator<Item = String>) {
        let signals = self.lock();
        for queue in queues {
            signals.get(&queue).and_then(Weak::upgrade).inspect(|signal| signal.notify_waiters());
        }
    }

    fn wake_all(&self) {
        self.lock().values().filter_map(Weak::upgrade).for_each(|signal| signal.notify_waiters());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn log(error: &StoreError, message: &'static str) {
    let cause = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    tracing::error!(%error, cause, "{message}");
}
