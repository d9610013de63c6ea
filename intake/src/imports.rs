//! Imports of files: a place to put one, and what became of it. Nothing is written here; the store announces
//! a file, and a worker takes it.

use crate::app::App;
use crate::base_path::BasePath;
use crate::body::{Errors, Fields};
use crate::caller::Identity;
use crate::list::{self, Listed, PageParameters};
use crate::path::{self, Named};
use crate::problem::{CommandProblems, Problem, Problems};
use crate::request;
use crate::submit::{self, TicketParameter};
use crate::ticket::Ticket;
use crate::view::{ImportContentType, ImportView, UndecidedView};
use aws::files::{Dropped, UPLOAD_LIFETIME};
use aws::items;
use aws::keys::{self, Key};
use aws::table::{Found, Order};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use domain::command::Kind;
use domain::id::{CommandId, ConcessionaireId};
use domain::import::{CONTENT_TYPES, Import, MAX_FILE_BYTES, Mode, Options, PATIENCE, Strictness, Target};
use domain::request::RequestHash;
use domain::role::{Caller, Role};
use serde::Deserialize;
use utoipa::{IntoResponses, ToSchema};

/// What becomes of what the file does not name: it goes, or it stays.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum ModeName {
    Replace,
    Merge,
}

/// Whether any bad row refuses the file, or the good ones count.
#[derive(ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) enum StrictnessName {
    Strict,
    Lenient,
}

/// A file to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "bytes": 2048, "content_type": "text/csv", "strictness": "lenient" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct MenuImportRequest {
    /// Its size; no other is taken.
    #[schema(minimum = 1, maximum = 67_108_864)]
    bytes: i64,
    /// What it calls itself; `text/csv` unless given.
    #[schema(value_type = Option<ImportContentType>)]
    content_type: Option<String>,
    /// `replace` unless given.
    #[schema(value_type = Option<ModeName>)]
    mode: Option<String>,
    /// `strict` unless given.
    #[schema(value_type = Option<StrictnessName>)]
    strictness: Option<String>,
    /// What a meal costs whose row has no price, in minor units.
    #[schema(minimum = 0, maximum = 1_000_000_000)]
    default_price: Option<i64>,
}

/// What whoever wants to import is answered.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only its description is used")]
enum Awaited {
    #[response(status = 200, description = "The import, which was begun under this key")]
    Begun(#[to_schema] ImportView),
    #[response(status = 202, description = "Where the file is to be put")]
    Awaited(#[to_schema] ImportView),
}

/// Ask for a place to put a menu's file.
///
/// The file is CSV, a JSON object a line, or a workbook (XLSX), with a header: `code`, `name`, `category`,
/// `price`, `calories`, under any of their names. A price is a decimal of the currency (`45.00`), not minor
/// units, in a JSON line as well: `GET …/menu.csv` gives out such a file, and `GET …/menu` none. A meal
/// without a code gets one that is made of its name.
#[utoipa::path(
    post,
    operation_id = "postMenuImport",
    path = "/v1/concessionaires/{id}/menu-imports",
    request_body = MenuImportRequest,
    params(path::Concessionaire, request::KeyParameter),
    responses(Awaited, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn post_menu(
    State(app): State<App>,
    identity: Identity,
    base_path: BasePath,
    Named(concessionaire): Named<ConcessionaireId>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let file = File::read(fields, Mode::Replace);
        let default_price = fields.optional_integer("default_price");
        let file = file?;
        Some(File { options: Options { default_price, ..file.options }, ..file })
    };
    let (id, file) = request::command(&headers, &body, app.clock.now(), read)?;
    let owner = keys::concessionaire(identity.tenant(), &concessionaire);
    let menu = keys::menu(identity.tenant(), &concessionaire);
    let asked = Asked { app: &app, base_path: &base_path, id, file };
    let target = Target::Menu(concessionaire.clone());
    asked
        .answer(&identity, target, [owner.clone(), menu.clone()], |caller, found| {
            let is_known = found.take(&owner).is_some() || found.take(&menu).is_some();
            caller.sells_for(&concessionaire) && is_known
        })
        .await
}

/// A file to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({ "bytes": 2048, "content_type": "text/csv", "mode": "replace" }))]
#[expect(dead_code, reason = "only its description is used")]
pub(crate) struct EmployeeImportRequest {
    /// Its size; no other is taken.
    #[schema(minimum = 1, maximum = 67_108_864)]
    bytes: i64,
    /// What it calls itself; `text/csv` unless given.
    #[schema(value_type = Option<ImportContentType>)]
    content_type: Option<String>,
    /// `merge` unless given; `replace` deactivates whoever is not in the file. Whoever comes back needs an
    /// `active` in a column `status`.
    #[schema(value_type = Option<ModeName>)]
    mode: Option<String>,
    /// `strict` unless given.
    #[schema(value_type = Option<StrictnessName>)]
    strictness: Option<String>,
    /// How many of a hundred active employees may be missing from a file that replaces; 10 unless given. If
    /// there are more, it is refused.
    #[schema(minimum = 0, maximum = 100)]
    max_missing_percent: Option<i64>,
}

/// Ask for a place to put a roster's file.
///
/// The file is CSV, a JSON object a line, or a workbook (XLSX), with a header: `employee_number`, `name`,
/// `badge`, `status`, `credit_limit` (a decimal of the currency, as `5000.00`, not minor units), `discount`
/// (percent), `image_url`, under any of their names. What is not given stays as it is. A badge that is new to
/// an employee blocks their others; one of theirs that is blocked, or was taken back, stays so. Whoever was
/// hired or changed through the API since the file was put stays as they are: their row is listed as a bad one.
/// `GET /v1/employees.csv` gives out such a file.
#[utoipa::path(
    post,
    operation_id = "postEmployeeImport",
    path = "/v1/employee-imports",
    request_body = EmployeeImportRequest,
    params(request::KeyParameter),
    responses(Awaited, CommandProblems, Problems),
    security(("cognito" = [])),
)]
pub async fn post_employees(
    State(app): State<App>,
    identity: Identity,
    base_path: BasePath,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let read = |fields: &mut Fields<'_>, _: &Errors| {
        let file = File::read(fields, Mode::Merge);
        let max_missing_percent = fields.optional_integer("max_missing_percent");
        let file = file?;
        Some(File { options: Options { max_missing_percent, ..file.options }, ..file })
    };
    let (id, file) = request::command(&headers, &body, app.clock.now(), read)?;
    let asked = Asked { app: &app, base_path: &base_path, id, file };
    asked.answer(&identity, Target::Roster, [], |_, _| true).await
}

/// A file to come.
struct File {
    bytes: u64,
    content_type: String,
    options: Options,
}

impl File {
    fn read(fields: &mut Fields<'_>, mode: Mode) -> Option<Self> {
        let bytes: Option<i64> = fields.integer("bytes");
        let bytes = bytes.and_then(|bytes| {
            let bytes = u64::try_from(bytes).ok().filter(|bytes| (1..=MAX_FILE_BYTES).contains(bytes));
            if bytes.is_none() {
                fields.error("bytes", format!("must be 1 to {MAX_FILE_BYTES}"));
            }
            bytes
        });
        let content_type: Option<String> = fields.optional_text("content_type");
        let content_type = content_type.unwrap_or_else(|| "text/csv".to_owned());
        if !CONTENT_TYPES.contains(&content_type.as_str()) {
            fields.error("content_type", format!("must be one of {}", CONTENT_TYPES.join(", ")));
        }
        let asked_mode: Option<Mode> = fields.optional_word("mode", "replace or merge");
        let strictness: Option<Strictness> = fields.optional_word("strictness", "strict or lenient");
        let options = Options {
            strictness: strictness.unwrap_or_default(),
            ..Options::new(asked_mode.unwrap_or(mode))
        };
        Some(Self { bytes: bytes?, content_type, options })
    }
}

/// Somebody who wants to import a file under an id.
struct Asked<'a> {
    app: &'a App,
    base_path: &'a BasePath,
    id: CommandId,
    file: File,
}

impl Asked<'_> {
    /// Where to put the file, or what stands under its id already. A 404 unless `is_there` finds what it is
    /// for in what is read of `wanted`.
    async fn answer<const N: usize>(
        self,
        identity: &Identity,
        target: Target,
        wanted: [Key; N],
        is_there: impl FnOnce(&Caller, &mut Found) -> bool,
    ) -> Result<Response, Problem> {
        let Self { app, base_path, id, file } = self;
        let place = keys::import(identity.tenant(), id);
        let receipt = keys::receipt(identity.tenant(), id);
        let wanted = [place.clone(), receipt.clone()].into_iter().chain(wanted);
        let (caller, tenant, mut found) = identity.admit_with(&app.table, wanted).await?;
        if !is_there(&caller, &mut found) {
            return Err(Problem::NotFound);
        }
        let has_receipt = found.take(&receipt).is_some();
        let import = match found.take(&place) {
            // It may have begun and come to its end while the keys were read, one after the other.
            None if has_receipt => app.table.read_one(&place).await?,
            import => import,
        };
        if let Some(item) = import {
            let import = items::stored_import(&caller.tenant, item)?;
            let is_own = import.target == target && import.options == file.options;
            let answer = if is_own { view(app, import).await } else { Err(Problem::KeyReused) };
            return submit::replay(answer);
        }
        if has_receipt {
            return Err(Problem::KeyReused);
        }
        if !tenant.is_reached(Kind::ImportFile) {
            return Err(Problem::TenantNotReady);
        }
        let dropped = Dropped { tenant: caller.tenant.clone(), target, name: id.to_string() };
        let File { bytes, content_type, options } = &file;
        let now = app.clock.now();
        let upload = app.files.upload(&dropped, *bytes, content_type, options, &caller.user, now).await?;
        let asked = format!("{} {bytes} {content_type} {:?}", dropped.key(), options.write());
        let request = RequestHash::of_command(Kind::ImportFile, &caller.tenant, &caller.user, id, &asked);
        let expires_at = now + UPLOAD_LIFETIME;
        let ticket = Ticket { request, expires_at: expires_at + PATIENCE };
        let view = ImportView::awaiting(id.to_string(), upload, expires_at);
        submit::accepted(app, base_path, &ticket, (&format!("/v1/imports/{id}"), &place), view)
    }
}

/// An import, and how far it is.
///
/// With the ticket of its `202`, one that was not begun yet reads `queued`, and `expired` once no file came
/// in time.
#[utoipa::path(
    get,
    operation_id = "getImport",
    path = "/v1/imports/{id}",
    params(path::Import, TicketParameter),
    responses((status = 200, description = "The import", body = ImportView), Problems),
    security(("cognito" = [])),
)]
pub async fn get(
    State(app): State<App>,
    identity: Identity,
    Named(id): Named<CommandId>,
    Query(ticket): Query<TicketParameter>,
) -> Result<Response, Problem> {
    let place = keys::import(identity.tenant(), id);
    let (caller, tenant, mut found) = identity.admit_with(&app.table, [place.clone()]).await?;
    let ticket = submit::ticket(&app, &place, ticket)?;
    let Some(item) = found.take(&place) else {
        let undecided = || UndecidedView { id: id.to_string() };
        let (queued, expired) = (ImportView::Queued(undecided()), ImportView::Expired(undecided()));
        return submit::undecided(&app, ticket, queued, expired);
    };
    let import = items::stored_import(&tenant.id, item)?;
    if !may_read(&caller, &import.target) {
        return Err(Problem::NotFound);
    }
    view(&app, import).await
}

fn may_read(caller: &Caller, target: &Target) -> bool {
    match target {
        Target::Menu(concessionaire) => caller.sells_for(concessionaire),
        Target::Roster => caller.role == Role::Admin,
    }
}

async fn view(app: &App, import: Import) -> Result<Response, Problem> {
    let is_done = import.stage.is_final() && import.rows.listed > 0;
    let url = match is_done {
        true => Some(app.files.bad_rows(&import.tenant, import.id).await?.url),
        false => None,
    };
    Ok(Json(ImportView::of(import, url)).into_response())
}

/// Imports, newest first, without their bad rows.
///
/// Of an administrator all, of a manager those of their own menu: a page of a manager may hold fewer than its
/// limit; only a missing cursor is the end.
#[utoipa::path(
    get,
    operation_id = "listImports",
    path = "/v1/imports",
    params(PageParameters),
    responses((status = 200, description = "One page", body = Listed<ImportView>), Problems),
    security(("cognito" = [])),
)]
pub async fn list(
    State(app): State<App>,
    identity: Identity,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let (caller, tenant) = identity.admit(&app.table).await?;
    let view = |item| {
        let import = items::stored_import(&tenant.id, item)?;
        Ok(may_read(&caller, &import.target).then(|| ImportView::of(import, None)))
    };
    let list = format!("{} imports", tenant.id);
    list::page::<ImportView, _>(&app, &list, page, &keys::imports(&tenant.id), Order::NewestFirst, view).await
}
