//! Imports of files.

use super::{Item, Millis, from_item, sort_key, to_item};
use crate::failure::Failure;
use crate::keys;
use domain::id::{TenantId, UserName};
use domain::import::{Import, Options, Rows, Stage, Target};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct ImportItem {
    tg: Target,
    o: Options,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<UserName>,
    et: String,
    n: u64,
    ba: Millis,
    ua: Millis,
    r: Rows,
    st: Stage,
}

pub fn import(import: &Import) -> Result<Item, Failure> {
    let attributes = ImportItem {
        tg: import.target.clone(),
        o: import.options,
        by: import.by.clone(),
        et: import.etag.clone(),
        n: import.bytes,
        ba: import.begun_at.into(),
        ua: import.updated_at.into(),
        r: import.rows,
        st: import.stage.clone(),
    };
    to_item(keys::import(&import.tenant, import.id), &attributes)
}

#[derive(Serialize, Deserialize)]
struct NewestFileItem {
    p: Millis,
}

/// When the newest file was put that was applied to a menu, or to the roster.
pub fn newest_file(tenant: &TenantId, target: &Target, put_at: Timestamp) -> Result<Item, Failure> {
    to_item(keys::newest_file(tenant, target), &NewestFileItem { p: put_at.into() })
}

pub fn stored_newest_file(item: Item) -> Result<Timestamp, Failure> {
    let NewestFileItem { p } = from_item(item)?;
    p.try_into()
}

pub fn stored_import(tenant: &TenantId, item: Item) -> Result<Import, Failure> {
    let id = keys::parse_import(sort_key(&item)?)
        .ok_or_else(|| Failure::malformed("read an import", "the sort key holds no id"))?;
    let stored: ImportItem = from_item(item)?;
    Ok(Import {
        tenant: tenant.clone(),
        id,
        target: stored.tg,
        options: stored.o,
        by: stored.by,
        etag: stored.et,
        bytes: stored.n,
        begun_at: stored.ba.try_into()?,
        updated_at: stored.ua.try_into()?,
        rows: stored.r,
        stage: stored.st,
    })
}
