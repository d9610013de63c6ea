//! A socket of somebody who listens: opened with a ticket, subscribed, read frame by frame. Whoever loses it
//! opens another.

use futures_util::{SinkExt, StreamExt};
use http::Uri;
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, client_async_tls_with_config};

/// How long a socket may take to open.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Listener {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    session: String,
}

#[derive(Debug, Error)]
pub enum ListenError {
    #[error("{url} is not where a socket could be")]
    NoUrl { url: String },
    #[error("nobody is there")]
    Unreachable(#[from] std::io::Error),
    #[error("the socket failed")]
    Socket(#[from] Box<tungstenite::Error>),
    #[error("TLS cannot be set up")]
    Tls(#[from] rustls::Error),
    #[error("the socket did not open in time")]
    TooSlow,
    #[error("the socket was closed")]
    Closed,
    #[error("a frame is not JSON")]
    Frame(#[from] serde_json::Error),
}

impl ListenError {
    /// The status with which the socket was refused.
    pub fn refused_with(&self) -> Option<u16> {
        match self {
            ListenError::Socket(error) => match error.as_ref() {
                tungstenite::Error::Http(response) => Some(response.status().as_u16()),
                _ => None,
            },
            _ => None,
        }
    }
}

impl From<tungstenite::Error> for ListenError {
    fn from(error: tungstenite::Error) -> Self {
        ListenError::Socket(Box::new(error))
    }
}

impl Listener {
    /// Opens a socket with what `POST /v1/listener-tickets` answered.
    pub async fn open(ticket: &Value) -> Result<Self, ListenError> {
        let url = ticket["url"].as_str().unwrap_or_default();
        let session = ticket["ticket"].as_str().unwrap_or_default().to_owned();
        let no_url = || ListenError::NoUrl { url: url.to_owned() };
        let uri: Uri = format!("{url}?ticket={session}").parse().map_err(|_| no_url())?;
        let host = uri.host().ok_or_else(no_url)?.to_owned();
        let is_secret = uri.scheme_str() == Some("wss");
        let port = uri.port_u16().unwrap_or(if is_secret { 443 } else { 80 });
        let connector =
            if is_secret { Connector::Rustls(Arc::new(trusting_the_web()?)) } else { Connector::Plain };
        let opened = async {
            // Whatever is called so is here.
            let stream = if host.ends_with(".localhost") {
                TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?
            } else {
                TcpStream::connect((host, port)).await?
            };
            stream.set_nodelay(true)?;
            let opened = client_async_tls_with_config(uri, stream, None, Some(connector));
            Ok::<_, ListenError>(opened.await?.0)
        };
        let socket = timeout(OPEN_TIMEOUT, opened).await.map_err(|_| ListenError::TooSlow)??;
        Ok(Self { socket, session })
    }

    /// Asks to be told what happens to `to`, and since a position if there is one.
    pub async fn subscribe(&mut self, to: &str, after: Option<&str>) -> Result<(), ListenError> {
        let mut said = json!({ "type": "subscribe", "session": self.session, "to": to });
        if let Some(after) = after {
            said["after"] = json!(after);
        }
        self.say(&said).await
    }

    pub async fn say(&mut self, said: &Value) -> Result<(), ListenError> {
        Ok(self.socket.send(Message::text(said.to_string())).await?)
    }

    /// The next frame.
    pub async fn next(&mut self) -> Result<Value, ListenError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text)?),
                Some(Ok(Message::Close(_))) | None => return Err(ListenError::Closed),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error.into()),
            }
        }
    }

    pub fn session(&self) -> &str {
        &self.session
    }
}

fn trusting_the_web() -> Result<ClientConfig, rustls::Error> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(config.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}
