//! From a file that comes in pieces to a reader that waits for them on a thread of its own.
//!
//! Invariant: a file that breaks off never looks like one that ends.

use aws::failure::Failure;
use aws::files::Content;
use std::io::{self, Read};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

const PIECE_BYTES: usize = 64 * 1024;
/// Pieces that wait to be read.
const PIECES: usize = 4;
/// How long the next piece may take.
const PIECE_TIMEOUT: Duration = Duration::from_secs(20);

pub fn pipe() -> (Inlet, Outlet) {
    let (sender, receiver) = channel(PIECES);
    (Inlet(sender), Outlet { receiver, piece: Vec::new(), read: 0, has_ended: false })
}

/// Where pieces go in; an empty one is the end.
#[derive(Debug)]
pub struct Inlet(Sender<Vec<u8>>);

impl Inlet {
    /// Passes a whole file on, or as much as somebody reads.
    pub async fn pass(self, mut content: Content) -> Result<(), Failure> {
        loop {
            let mut piece = Vec::with_capacity(PIECE_BYTES);
            let read = timeout(PIECE_TIMEOUT, content.read_buf(&mut piece)).await;
            let read = read.map_err(|error| Failure::transient("read a file", error))?;
            let bytes = read.map_err(|error| Failure::transient("read a file", error))?;
            if self.0.send(piece).await.is_err() || bytes == 0 {
                return Ok(());
            }
        }
    }
}

/// Where they come out.
#[derive(Debug)]
pub struct Outlet {
    receiver: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    read: usize,
    has_ended: bool,
}

impl Read for Outlet {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.read == self.piece.len() && !self.has_ended {
            self.piece = self.receiver.blocking_recv().ok_or(io::ErrorKind::UnexpectedEof)?;
            self.read = 0;
            self.has_ended = self.piece.is_empty();
        }
        let mut rest = self.piece.get(self.read..).unwrap_or_default();
        let read = Read::read(&mut rest, buffer)?;
        self.read += read;
        Ok(read)
    }
}
