//! One import, from the file that was dropped to what became of it.

use super::Options;
use crate::id::{CommandId, ConcessionaireId, TenantId, UserName};
use crate::menu::MenuVersion;
use crate::role::Role;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantNames};

/// What a file takes the place of, or adds to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    Menu(ConcessionaireId),
    Roster,
}

impl Target {
    /// Whose menu it is, if it is one.
    pub fn concessionaire(&self) -> Option<&ConcessionaireId> {
        match self {
            Target::Menu(concessionaire) => Some(concessionaire),
            Target::Roster => None,
        }
    }

    /// Whether it is for users of this role to put a file there.
    pub fn is_for(&self, role: &Role) -> bool {
        match (self, role) {
            (Target::Menu(own), Role::Manager { concessionaire_id }) => own == concessionaire_id,
            (Target::Roster, Role::Admin) => true,
            (Target::Menu(_) | Target::Roster, _) => false,
        }
    }
}

/// An import that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    pub tenant: TenantId,
    pub id: CommandId,
    pub target: Target,
    pub options: Options,
    /// Who asked for it; nobody of ours if the file was put there by other means.
    pub by: Option<UserName>,
    /// The hash of the file's content, as its store has it.
    pub etag: String,
    /// The file's size.
    pub bytes: u64,
    pub begun_at: Timestamp,
    pub updated_at: Timestamp,
    pub rows: Rows,
    pub stage: Stage,
}

/// How many rows are what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    pub good: u64,
    pub bad: u64,
    /// Of the bad ones, how many are listed with their reasons.
    pub listed: u64,
}

/// How far an import is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Its rows are looked at; nothing is written.
    Validating,
    /// Its rows are written, `done` of them so far.
    Applying {
        done: u64,
    },
    Applied(Effect),
    Refused(Refused),
}

impl Stage {
    /// Whether nothing more comes of it.
    pub fn is_final(&self) -> bool {
        matches!(self, Stage::Applied(_) | Stage::Refused(_))
    }
}

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Stations sell from this version; `meals` of the file, and `kept` of the version before.
    Menu {
        version: MenuVersion,
        meals: u64,
        kept: u64,
        is_unchanged: bool,
    },
    Roster(RosterEffect),
}

/// How many employees became what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RosterEffect {
    pub created: u64,
    pub changed: u64,
    pub unchanged: u64,
    pub deactivated: u64,
}

/// Why a file changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub reason: Reason,
    /// A sentence for people.
    pub detail: String,
}

/// Why a file is refused, as a client tells reasons apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantNames)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "kebab-case")]
pub enum Reason {
    /// It is empty, no table, or breaks off.
    #[strum(serialize = "unreadable-file")]
    Unreadable,
    /// Some rows are wrong, and it is strict.
    BadRows,
    /// More than one file may have.
    #[strum(serialize = "file-too-large")]
    TooLarge,
    WrongContentType,
    /// What it shall be read with makes no sense.
    BadOptions,
    UnknownConcessionaire,
    /// It waited for too long, so that what it says may be overtaken, or it is; or whoever asked for its place
    /// may not import there any more.
    TooLate,
    /// Another one was put in its place while it was read.
    #[strum(serialize = "file-replaced")]
    Replaced,
    /// More employees would go than may.
    TooManyMissing,
    /// Another command was carried out under its key before it was applied.
    #[strum(serialize = "idempotency-key-reused")]
    KeyReused,
}

impl Reason {
    /// Part of a URI: never changed.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Refused {
    pub fn new(reason: Reason, detail: impl ToString) -> Self {
        Self { reason, detail: detail.to_string() }
    }
}
