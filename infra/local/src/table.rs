//! The table: an embedded DynamoDB over one SQLite file, spoken to over loopback HTTP like the real one.
//!
//! Requests run under one lock on the thread that read them, so the server has threads of its own and never
//! stalls the system it serves. Invariant: a write is answered only after its commit was synced.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    thread,
    time::Duration,
};

use dynoxide::{Database, server::serve_with_shutdown};
use tokio::{runtime, sync::watch};

/// How long a stop waits for requests in flight; past it their connections are cut.
const STOP_MS: u64 = 250;

/// One request holds the lock while the other thread parses the next: about 5 % more than one thread, measured.
const THREADS: usize = 2;

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
    stop: watch::Sender<bool>,
    thread: Option<thread::JoinHandle<()>>,
}

impl TableServer {
    /// Serves the SQLite file `path`, made when absent, on `127.0.0.1:port` (0: any free port). Returns when
    /// connections are accepted.
    pub fn start(path: &Path, port: u16) -> Result<Self, TableError> {
        let path = path.to_str().ok_or(TableError::Path)?;
        Self::serve(Database::new(path).map_err(TableError::Open)?, port)
    }

    /// The same without a file: nothing outlives the server.
    pub fn start_in_memory(port: u16) -> Result<Self, TableError> {
        Self::serve(Database::memory().map_err(TableError::Open)?, port)
    }

    pub fn endpoint_url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn serve(database: Database, port: u16) -> Result<Self, TableError> {
        let (listener, address) = listen(port).map_err(|source| TableError::Listen { port, source })?;
        let (stop, stopped) = watch::channel(false);
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("table")
            .enable_all()
            .build()
            .map_err(TableError::Threads)?;
        let thread = thread::Builder::new()
            .name("table-main".into())
            .spawn(move || runtime.block_on(run(listener, database, stopped)))
            .map_err(TableError::Threads)?;
        Ok(Self { address, stop, thread: Some(thread) })
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

async fn run(listener: TcpListener, database: Database, stopped: watch::Receiver<bool>) {
    let listener = match tokio::net::TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => return tracing::error!(%error, "the table cannot listen"),
    };
    let deadline = async {
        until(stopped.clone()).await;
        tokio::time::sleep(Duration::from_millis(STOP_MS)).await;
    };
    tokio::select! {
        served = serve_with_shutdown(listener, database, until(stopped.clone())) => {
            if let Err(error) = served {
                tracing::error!(%error, "the table stopped serving");
            }
        }
        () = deadline => tracing::warn!("the table cut requests in flight"),
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
