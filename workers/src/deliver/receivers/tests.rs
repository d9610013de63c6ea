//! Receivers that mean no good.

use super::*;
use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A receiver that does with every connection what it is told to, and counts them.
struct Receiver {
    url: String,
    connections: Arc<AtomicUsize>,
}

impl Receiver {
    async fn start<F>(mut serve: impl FnMut(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream));
            }
        });
        Self { url, connections }
    }

    /// One that answers with a text as soon as it was sent something.
    async fn answering(answer: String) -> Self {
        Self::start(move |mut stream| {
            let answer = answer.clone();
            async move {
                heard(&mut stream).await?;
                stream.write_all(answer.as_bytes()).await
            }
        })
        .await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request; whoever leaves some of it unread breaks off.
async fn heard(stream: &mut TcpStream) -> io::Result<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n{}") {
        request.push(stream.read_u8().await?);
    }
    Ok(())
}

/// Names that have other addresses each time.
struct Changing(Mutex<VecDeque<Vec<&'static str>>>);

impl Resolve for Changing {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses = self.0.lock().unwrap().pop_front().unwrap_or_default();
        let addresses: Vec<_> =
            addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect();
        Box::pin(async move { Ok(Box::new(addresses.into_iter()) as Addrs) })
    }
}

async fn call(receivers: &Receivers, url: &str) -> Answer {
    let told = Told {
        id: "1".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        signatures: "v1,x".to_owned(),
        body: "{}".to_owned(),
    };
    receivers.call(&url.to_owned().try_into().unwrap(), told).await
}

#[track_caller]
fn resolving(answers: &[&[&'static str]]) -> Receivers {
    let answers = answers.iter().map(|addresses| addresses.to_vec()).collect();
    Receivers::resolving(Reach::Public, Arc::new(Changing(Mutex::new(answers))))
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let inside = Receiver::answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
    let location = &inside.url;
    for status in [301, 302, 303, 307, 308] {
        let answer =
            format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let outside = Receiver::answering(answer).await;
        let answer = call(&Receivers::new(Reach::Loopback), &outside.url).await;
        assert_eq!((answer, outside.connections()), (Answer::Status(status), 1));
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn a_name_that_leads_inside_is_not_called() {
    let inside = Receiver::answering("HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let port = inside.url.rsplit(':').next().unwrap().replace("/hook", "");
    let url = format!("https://hooks.example.com:{port}/hook");
    let own = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254", "fd00:ec2::254"];
    for own in own {
        assert_eq!(call(&resolving(&[&[own]]), &url).await, Answer::None(Fault::NotPublic), "{own}");
    }
    // Beside one that is public, too.
    let mixed = call(&resolving(&[&["2e00::1", "127.0.0.1"]]), &url).await;
    assert_eq!(mixed, Answer::None(Fault::NotPublic));
    // And where it was public when it was first looked at. Nobody has that address.
    let changing = resolving(&[&["2e00::1"], &["127.0.0.1"]]);
    let first = call(&changing, &url).await;
    assert!(matches!(first, Answer::None(Fault::NotConnected | Fault::TimedOut)), "{first:?}");
    assert_eq!(call(&changing, &url).await, Answer::None(Fault::NotPublic));
    assert_eq!(call(&changing, &url).await, Answer::None(Fault::NotResolved));
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn an_address_in_a_url_is_looked_at_too() {
    let inside = Receiver::answering("HTTP/1.1 200 OK\r\n\r\n".to_owned()).await;
    let public = Receivers::new(Reach::Public);
    assert_eq!(call(&public, &inside.url).await, Answer::None(Fault::NotPublic));
    for own in ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "[::ffff:7f00:1]", "localhost"] {
        let url = inside.url.replace("http:", "https:").replace("127.0.0.1", own);
        assert_eq!(call(&public, &url).await, Answer::None(Fault::NotPublic), "{own}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn an_answer_without_end_is_cut() {
    let receivers = Receivers::new(Reach::Loopback);
    let body = Receiver::start(|mut stream| async move {
        heard(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n").await?;
        loop {
            stream.write_all(&[b'x'; 4096]).await?;
        }
    })
    .await;
    assert_eq!(call(&receivers, &body.url).await, Answer::Status(200));
    let head = Receiver::start(|mut stream| async move {
        heard(&mut stream).await?;
        stream.write_all(b"HTTP/1.1 200 OK\r\n").await?;
        loop {
            stream.write_all(b"x-more: and more and more and more and more\r\n").await?;
        }
    })
    .await;
    assert_eq!(call(&receivers, &head.url).await, Answer::None(Fault::BrokenOff));
    let garbage = Receiver::answering("SSH-2.0-OpenSSH_9.9\r\n".to_owned()).await;
    assert_eq!(call(&receivers, &garbage.url).await, Answer::None(Fault::BrokenOff));
}

/// Whoever takes its time is cut off. The clock runs as soon as everybody waits.
#[tokio::test(start_paused = true)]
async fn a_slow_receiver_is_cut_off() {
    let receivers = Receivers::new(Reach::Loopback);
    let silent = Receiver::start(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
        Ok(())
    })
    .await;
    assert_eq!(call(&receivers, &silent.url).await, Answer::None(Fault::TimedOut));
    let dripping = Receiver::start(|mut stream| async move {
        loop {
            stream.write_all(b"H").await?;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    })
    .await;
    let answer = call(&receivers, &dripping.url).await;
    assert!(matches!(answer, Answer::None(Fault::TimedOut | Fault::BrokenOff)), "{answer:?}");
}
