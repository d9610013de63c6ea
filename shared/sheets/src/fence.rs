//! How much of a file is read: for one row, and in all, whatever it unpacks to.

use crate::rows::Unreadable;
use std::io::{self, Read};

/// What a file may unpack to.
pub const MAX_UNPACKED_BYTES: u64 = 128 * 1024 * 1024;
/// What one row may take.
pub const MAX_ROW_BYTES: u64 = 64 * 1024;

/// A reader that goes no further than it may.
#[derive(Debug)]
pub struct Fence<R> {
    inner: R,
    passed: u64,
    /// Where the row has to end that is read now.
    row_end: u64,
}

impl<R> Fence<R> {
    pub fn new(inner: R, ahead: u64) -> Self {
        Self { inner, passed: 0, row_end: MAX_ROW_BYTES + ahead }
    }

    /// A row begins at `position`, of which `ahead` may have been read in advance.
    pub fn begin_row(&mut self, position: u64, ahead: u64) {
        self.row_end = position + MAX_ROW_BYTES + ahead;
    }
}

impl<R: Read> Read for Fence<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.row_end.min(MAX_UNPACKED_BYTES);
        let left = usize::try_from(end.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        if left == 0 {
            // It may end just here.
            if self.inner.read(&mut [0])? == 0 {
                return Ok(0);
            }
            let stopped =
                if end == MAX_UNPACKED_BYTES { Unreadable::UnpacksToTooMuch } else { Unreadable::RowTooLong };
            return Err(io::Error::other(stopped));
        }
        let size = left.min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..size).unwrap_or_default())?;
        self.passed += u64::try_from(read).unwrap_or_default();
        Ok(read)
    }
}
