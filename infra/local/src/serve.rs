//! Serving a router on a port, to callers who may never finish what they begin.
//!
//! Invariant: a connection on which no whole head comes within [`HEAD_WITHIN`] ends, a new one and one that
//! was kept; so does one whose head is longer than [`HEAD_BYTES_MAX`].

use crate::table::send_at_once;
use axum::Router;
use axum::serve::{Listener, ListenerExt};
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::Service;

/// From the end of one request, or the beginning of the connection, to the end of the next one's head: what
/// API Gateway gives a whole request.
const HEAD_WITHIN: Duration = Duration::from_secs(29);

/// More than the 64 KiB of a path that hyper takes, and any token beside it.
const HEAD_BYTES_MAX: usize = 128 * 1024;

/// Takes connections until the tasks end.
pub fn serve(tasks: &mut JoinSet<()>, listener: TcpListener, router: Router) {
    let mut listener = listener.tap_io(send_at_once);
    let mut services = router.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(async move {
        loop {
            let (stream, peer) = listener.accept().await;
            let service = match services.call(peer).await {
                Ok(service) => TowerToHyperService::new(service),
                Err(never) => match never {},
            };
            tokio::spawn(async move {
                let served = Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(HEAD_WITHIN)
                    .max_header_size(HEAD_BYTES_MAX)
                    .serve_connection(TokioIo::new(stream), service)
                    .with_upgrades()
                    .await;
                if let Err(error) = served {
                    tracing::debug!(error = &error as &dyn Error, "a connection broke off");
                }
            });
        }
    });
}
