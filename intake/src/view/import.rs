//! What clients read of imports.

use super::{ImportRefusalType, UndecidedView};
use aws::files::Presigned;
use domain::import::{Effect, Import, Mode, Options, Refused, Stage, Strictness, Target};
use jiff::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An import: how far it is, and what became of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum ImportView {
    /// The file may be put.
    AwaitingUpload(Box<AwaitingUploadView>),
    /// Nothing was looked at yet, or no file came yet.
    Queued(UndecidedView),
    /// Rows are looked at; nothing is written.
    Validating(Box<ImportRunView>),
    /// Rows are written. A menu is still the old one.
    Applying(Box<ImportRunView>),
    Applied(Box<ImportRunView>),
    /// Nothing was changed; or, of a roster, what its detail says.
    Refused(Box<ImportRunView>),
    /// No file came in time.
    Expired(UndecidedView),
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AwaitingUploadView {
    id: String,
    upload: UploadView,
}

/// A request that puts the file; whoever has it may send it. A place takes one file: to another it answers
/// 412.
#[derive(Debug, Serialize, ToSchema)]
pub struct UploadView {
    #[schema(example = "PUT")]
    method: String,
    url: String,
    /// To be sent as they are, with a body of just as many bytes as were announced.
    headers: BTreeMap<String, String>,
    #[schema(format = DateTime)]
    expires_at: String,
}

impl UploadView {
    pub fn new(upload: Presigned, expires_at: Timestamp) -> Self {
        Self {
            method: upload.method,
            url: upload.url,
            headers: upload.headers.into_iter().collect(),
            expires_at: expires_at.to_string(),
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ImportRunView {
    id: String,
    #[serde(flatten)]
    target: ImportTargetView,
    #[serde(flatten)]
    options: ImportOptionsView,
    /// Who asked for it; absent if the file was put there by other means.
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<String>,
    /// The file's size.
    bytes: u64,
    rows: ImportRowsView,
    /// Rows that are written so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    done: Option<u64>,
    #[schema(format = DateTime)]
    begun_at: String,
    #[schema(format = DateTime)]
    updated_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<ImportEffectView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<ImportRefusalView>,
    /// The bad rows as CSV, with the reason in a last column, for five minutes: to be mended and sent with
    /// `merge`, or in the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    bad_rows_url: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "target", rename_all = "snake_case")]
pub enum ImportTargetView {
    Menu { concessionaire_id: String },
    Employees,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ImportOptionsView {
    #[schema(value_type = crate::imports::ModeName)]
    mode: Mode,
    #[schema(value_type = crate::imports::StrictnessName)]
    strictness: Strictness,
    /// In minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    default_price: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_missing_percent: Option<u8>,
}

/// Rows, as far as they were looked at.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportRowsView {
    good: u64,
    bad: u64,
    /// Of the bad ones, how many are listed with their reasons.
    listed: u64,
}

/// What became of an import. Which members there are depends on what it was for.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ImportEffectView {
    /// What stations sell from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "3.0")]
    menu_version: Option<String>,
    /// Meals of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    meals: Option<u64>,
    /// Meals that the file does not name and the menu kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<u64>,
    /// Whether all of it stood there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    is_unchanged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unchanged: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deactivated: Option<u64>,
}

/// Why nothing was changed.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImportRefusalView {
    /// Stable; what clients tell refusals apart by.
    #[serde(rename = "type")]
    #[schema(value_type = ImportRefusalType, example = "bad-rows")]
    kind: &'static str,
    detail: String,
}

impl ImportView {
    pub fn awaiting(id: String, upload: Presigned, expires_at: Timestamp) -> Self {
        let upload = UploadView::new(upload, expires_at);
        ImportView::AwaitingUpload(Box::new(AwaitingUploadView { id, upload }))
    }

    pub fn of(import: Import, bad_rows_url: Option<String>) -> Self {
        let mut view = ImportRunView {
            id: import.id.to_string(),
            target: ImportTargetView::of(&import.target),
            options: ImportOptionsView::of(&import.options),
            by: import.by.map(String::from),
            bytes: import.bytes,
            rows: ImportRowsView { good: import.rows.good, bad: import.rows.bad, listed: import.rows.listed },
            done: None,
            begun_at: import.begun_at.to_string(),
            updated_at: import.updated_at.to_string(),
            effect: None,
            refusal: None,
            bad_rows_url,
        };
        match import.stage {
            Stage::Validating => ImportView::Validating(Box::new(view)),
            Stage::Applying { done } => {
                view.done = Some(done);
                ImportView::Applying(Box::new(view))
            }
            Stage::Applied(effect) => {
                view.effect = Some(ImportEffectView::of(effect));
                ImportView::Applied(Box::new(view))
            }
            Stage::Refused(Refused { reason, detail }) => {
                view.refusal = Some(ImportRefusalView { kind: reason.as_str(), detail });
                ImportView::Refused(Box::new(view))
            }
        }
    }
}

impl ImportTargetView {
    fn of(target: &Target) -> Self {
        match target {
            Target::Menu(concessionaire) => {
                ImportTargetView::Menu { concessionaire_id: concessionaire.to_string() }
            }
            Target::Roster => ImportTargetView::Employees,
        }
    }
}

impl ImportOptionsView {
    fn of(options: &Options) -> Self {
        Self {
            mode: options.mode,
            strictness: options.strictness,
            default_price: options.default_price.map(|price| price.get()),
            max_missing_percent: options.max_missing_percent.map(|percent| percent.get()),
        }
    }
}

impl ImportEffectView {
    fn of(effect: Effect) -> Self {
        match effect {
            Effect::Menu { version, meals, kept, is_unchanged } => Self {
                menu_version: Some(version.to_string()),
                meals: Some(meals),
                kept: Some(kept),
                is_unchanged: Some(is_unchanged),
                ..Self::default()
            },
            Effect::Roster(roster) => Self {
                created: Some(roster.created),
                changed: Some(roster.changed),
                unchanged: Some(roster.unchanged),
                deactivated: Some(roster.deactivated),
                ..Self::default()
            },
        }
    }
}
