//! Serving a router on a port, to callers who may never finish what they begin.
//!
//! Invariant: a connection on which no whole head comes within [`HEAD_WITHIN`] ends, a new one and one that was kept.

use crate::table::send_at_once;
use axum::Router;
use axum::serve::{Listener, ListenerExt};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::Service;

/// From the end of one request, or the beginning of the connection, to the end of the next one's head: what API Gateway
/// gives a whole request.
const HEAD_WITHIN: Duration = Duration::from_secs(29);

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
                let mut connection = Builder::new(TokioExecutor::new()).http1_only();
                connection.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
                let served = connection.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
                if let Err(error) = served {
                    tracing::debug!(error, "a connection broke off");
                }
            });
        }
    });
}
