//! The machine without a thread or a file: a request runs at once, on the thread that makes it.
//! Nothing waits in here, so that whoever drives a simulation decides what happens when.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Clock, Request, Signals};
use crate::fifo::{Change, Fifo};

pub(super) struct Inline {
    fifo: Mutex<Fifo>,
    signals: Arc<Signals>,
    clock: Clock,
    observe: Box<dyn Fn(&Change) + Send + Sync>,
}

impl Inline {
    pub(super) fn new(
        fifo: Fifo,
        signals: Arc<Signals>,
        clock: Clock,
        observe: impl Fn(&Change) + Send + Sync + 'static,
    ) -> Self {
        Self { fifo: Mutex::new(fifo), signals, clock, observe: Box::new(observe) }
    }

    /// The lock is free again before anyone is answered: an answer that nobody takes makes a request.
    pub(super) fn run(&self, request: Request) {
        let now_ms = (self.clock)();
        let (reply, changes, ready) = {
            let mut fifo = self.fifo.lock().unwrap_or_else(PoisonError::into_inner);
            let reply = request(&mut fifo, now_ms);
            (reply, fifo.drain_changes(), fifo.drain_ready_queues())
        };
        changes.iter().for_each(&self.observe);
        reply(true);
        self.signals.wake(ready);
    }
}
