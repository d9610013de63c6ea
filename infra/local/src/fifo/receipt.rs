//! Receipt handles: which queue, which message, which of its receives.
//! A handle holds only for the newest receive of its message.

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) queue: i64,
    pub(super) position: i64,
    pub(super) receive_count: u32,
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.queue, self.position, self.receive_count)
    }
}

impl Receipt {
    pub(super) fn parse(handle: &str) -> Option<Self> {
        let mut parts = handle.split('-');
        let queue = parts.next()?.parse().ok()?;
        let position = parts.next()?.parse().ok()?;
        let receive_count = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { queue, position, receive_count })
    }
}
