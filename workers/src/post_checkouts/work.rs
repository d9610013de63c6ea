//! The commands of one wallet in a batch, and how far they are.

use crate::fifo::{self, Group, HandBack, Message};
use aws::bus::Names;
use aws::failure::Failure;
use aws::results::Lane;
use domain::booking::PostBooking;
use domain::command::{Command, PostCheckout};
use domain::id::{EmployeeNumber, TenantId};
use std::collections::VecDeque;

/// What moves a wallet.
#[derive(Debug, Clone)]
pub enum WalletCommand {
    Checkout(PostCheckout),
    Booking(PostBooking),
}

impl WalletCommand {
    pub fn tenant(&self) -> &TenantId {
        match self {
            WalletCommand::Checkout(command) => &command.tenant,
            WalletCommand::Booking(command) => &command.tenant,
        }
    }

    pub fn employee(&self) -> &EmployeeNumber {
        match self {
            WalletCommand::Checkout(command) => &command.employee,
            WalletCommand::Booking(command) => &command.employee,
        }
    }
}

/// What is left to do for one message group.
#[derive(Debug)]
pub struct Work<'a> {
    group: &'a Group,
    /// Commands without a durable outcome, in order, each with its message.
    open: VecDeque<(&'a Message, WalletCommand)>,
    /// Messages whose outcome is durable and not told yet, and what to tell of each.
    untold: VecDeque<&'a Message>,
    pub lane: Lane,
    /// Messages that can never be worked off, and why.
    dead: Vec<(&'a Message, Failure)>,
    /// Why the first command that is not done with did not get through the last time.
    last: Option<Failure>,
    /// Failed calls it shared with other wallets.
    pub shared_failures: u32,
    /// Commits without other wallets, because it spoiled a shared transaction or may.
    pub is_alone: bool,
    /// Decides and commits one command at a time.
    is_one_by_one: bool,
}

impl<'a> Work<'a> {
    /// Reads the messages of a group.
    pub fn read(group: &'a Group, queue_arn: &str, names: &Names) -> Self {
        let is_one_by_one = group.is_one_by_one();
        let mut work = Self {
            group,
            open: VecDeque::new(),
            untold: VecDeque::new(),
            lane: Lane::new(),
            dead: vec![],
            last: None,
            shared_failures: 0,
            is_alone: is_one_by_one,
            is_one_by_one,
        };
        for message in &group.messages {
            match read(message, queue_arn, &group.id, names) {
                Ok(command) => work.open.push_back((message, command)),
                Err(failure) => work.dead.push((message, failure)),
            }
        }
        work
    }

    /// Whether something of it can never be worked off.
    pub fn is_poisoned(&self) -> bool {
        !self.dead.is_empty()
    }

    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// What to decide next.
    pub fn next(&self) -> impl Iterator<Item = &WalletCommand> {
        let count = if self.is_one_by_one { 1 } else { self.open.len() };
        self.open.iter().take(count).map(|(_, command)| command)
    }

    /// The first `commands` have their outcome, of which these are left to be told.
    pub fn finish(&mut self, commands: usize, lane: Lane) {
        let done = self.open.drain(..commands.min(self.open.len()));
        self.untold.extend(done.map(|(message, _)| message));
        self.lane.extend(lane);
        self.last = None;
    }

    /// Whether something is to be told.
    pub fn is_untold(&self) -> bool {
        !self.lane.is_empty()
    }

    /// What left the lane is told, and its message done with; what is left was not told, for now.
    pub fn tell_of(&mut self, told: &Result<(), Failure>) {
        self.untold.drain(..self.untold.len().saturating_sub(self.lane.len()));
        if let (Err(failure), true) = (told, self.is_untold()) {
            self.last = Some(failure.again().as_transient());
        }
    }

    /// The first open command failed: for now, or for good.
    pub fn fail(&mut self, failure: Failure) {
        if failure.is_transient() {
            self.last = Some(failure);
        } else if let Some((message, _)) = self.open.pop_front() {
            self.dead.push((message, failure));
        }
    }

    /// Everything without a durable outcome, or whose outcome was not told.
    pub fn hand_back(self) -> Vec<HandBack<'a>> {
        let group = self.group.id.as_str();
        let dead = self.dead.into_iter().map(|(message, failure)| (message, Some(failure)));
        let unreached = || Failure::transient("work off a wallet", "its turn did not come");
        let mut first = Some(self.last.unwrap_or_else(unreached));
        let open = self.open.into_iter().map(|(message, _)| message);
        let open = self.untold.into_iter().chain(open).map(move |message| (message, first.take()));
        dead.chain(open).map(|(message, failure)| HandBack { group, message, failure }).collect()
    }
}

/// A command that moves a wallet, or would.
fn read(message: &Message, queue_arn: &str, group: &str, names: &Names) -> Result<WalletCommand, Failure> {
    match message.read(queue_arn, group, names)? {
        Command::PostCheckout(command) => Ok(WalletCommand::Checkout(command)),
        Command::PostBooking(command) => Ok(WalletCommand::Booking(command)),
        _ => Err(fifo::another_workers()),
    }
}
