//! The table: an embedded DynamoDB over one SQLite file, spoken to like the real one.
//!
//! Requests run under one lock on the thread that read them, so the server has a thread of its own and never
//! stalls the system it serves. Invariant: a write is answered only after its commit was synced.

pub mod engine;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    thread,
    time::Duration,
};

use axum::{Router, serve::ListenerExt};
use engine::Engine;
use tokio::{
    runtime::{self, Handle},
    sync::watch,
};

/// How long a stop waits for requests in flight; past it their connections are cut.
const STOP_MS: u64 = 250;

/// A second one would wait for the first one's lock: measured, it costs a lunch 5 %.
const THREADS: usize = 1;

#[derive(Debug, thiserror::Error)]
pub enum TableError {
    #[error("the table's path is not valid UTF-8")]
    Path,
    #[error("the table's file cannot be opened")]
    Open(#[source] dynoxide::DynoxideError),
    #[error("the table cannot listen on port {port}")]
    Listen { port: u16, source: io::Error },
    #[error("the table's threads cannot start")]
    Threads(#[source] io::Error),
}

/// A running table; dropping it stops it. A process that dies instead loses nothing that was answered.
#[derive(Debug)]
pub struct TableServer {
    address: SocketAddr,
    router: Router,
    threads: Handle,
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl TableServer {
    /// Serves the SQLite file `path`, made when absent, on `127.0.0.1:port` (0: any free port). Returns when
    /// connections are accepted.
    pub fn start(path: &Path, port: u16) -> Result<Self, TableError> {
        Self::serve(&Engine::open(path)?, port)
    }

    /// The same without a file: nothing outlives the server.
    pub fn start_in_memory(port: u16) -> Result<Self, TableError> {
        Self::serve(&Engine::in_memory()?, port)
    }

    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it serves, for whoever needs no socket.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// The threads to ask it on.
    pub fn threads(&self) -> Handle {
        self.threads.clone()
    }

    fn serve(engine: &Engine, port: u16) -> Result<Self, TableError> {
        let (listener, address) = listen(port).map_err(|source| TableError::Listen { port, source })?;
        let (stop, stopped) = watch::channel(false);
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("table")
            .enable_all()
            .build()
            .map_err(TableError::Threads)?;
        let (router, threads) = (engine.router(), runtime.handle().clone());
        let served = router.clone();
        let thread = thread::Builder::new()
            .name("table-main".into())
            .spawn(move || runtime.block_on(run(listener, served, stopped)))
            .map_err(TableError::Threads)?;
        Ok(Self { address, router, threads, stop, thread: Some(thread) })
    }
}

impl Drop for TableServer {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the table's thread panicked");
        }
    }
}

fn listen(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn run(listener: TcpListener, router: Router, stopped: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener.tap_io(send_at_once),
        Err(error) => return tracing::error!(%error, "the table cannot listen"),
    };
    let deadline = async {
        until(stopped.clone()).await;
        tokio::time::sleep(Duration::from_millis(STOP_MS)).await;
    };
    tokio::select! {
        served = axum::serve(listener, router).with_graceful_shutdown(until(stopped.clone())) => {
            if let Err(error) = served {
                tracing::error!(%error, "the table stopped serving");
            }
        }
        () = deadline => tracing::warn!("the table cut requests in flight"),
    }
}

/// An answer does not wait until it fills a packet.
pub(crate) fn send_at_once(stream: &mut tokio::net::TcpStream) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection waits for full packets");
    }
}

/// Resolves on a stop, and when nobody is left to ask for one.
async fn until(mut stopped: watch::Receiver<bool>) {
    if stopped.wait_for(|stop| *stop).await.is_err() {
        tracing::debug!("the table's owner is gone");
    }
}

#[cfg(test)]
mod tests;
