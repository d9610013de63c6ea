//! Takes files that were dropped for a tenant: looks at every row before anything is written, then writes,
//! and says how far it is and what became of it in one item. An import that has its outcome is told, and not
//! looked at again.
//!
//! Invariant: nobody sells from half a menu. Meals are written under a version that no menu names, and the
//! menu switches to it together with the import's outcome.

mod menus;
mod pipe;
mod rosters;
mod run;

use crate::fifo;
use crate::lambda::Worker;
use crate::one_by_one::{Delivery, OneByOne, WorkOff};
use aws::bus::Names;
use aws::clock::Clock;
use aws::config::Clients;
use aws::failure::{Failure, chain};
use aws::files::{About, Dropped, Files};
use aws::items;
use aws::keys;
use aws::queue::{Queues, Release};
use aws::results::Results;
use aws::retry::Policy;
use aws::stored::{Stored, put, take};
use aws::table::{Found, Table};
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use domain::command::{Command, ImportFile};
use domain::event::Event;
use domain::id::{CommandId, InvalidKey};
use domain::import::{
    CONTENT_TYPES, Effect, Import, MAX_FILE_BYTES, Mode, Options, PATIENCE, Reason, Refused, Stage, Target,
};
use domain::request::RequestHash;
use domain::tenant::Tenant;
use jiff::Timestamp;
use run::{Judged, Run};
use std::time::Duration;

/// Time for one file; the function's own timeout of 15 minutes leaves room to hand it back.
const BUDGET: Duration = Duration::from_secs(14 * 60);
/// Files of one batch at the same time: it has one.
const SIDE_BY_SIDE: usize = 1;
/// How long a file stands still after a worker died with it, in seconds. The queue's own timeout is the
/// function's.
const LEASE_S: i32 = 60;
/// Between two renewals of that.
const RENEWAL: Duration = Duration::from_secs(20);

/// An import that is to be judged.
struct Begun {
    run: Run,
    company: Tenant,
    /// Whether it was put there by one of ours who may do so by now, or by other means.
    is_permitted: bool,
    /// When the file was put that was applied last.
    newest: Option<Stored<Timestamp>>,
}

#[derive(Debug, Clone)]
pub struct ImportWorker {
    table: Table,
    results: Results,
    files: Files,
    queues: Queues,
    batches: OneByOne,
    names: Names,
    clock: Clock,
    metrics: Metrics,
}

impl ImportWorker {
    pub fn new(clients: &Clients, clock: Clock, metrics: Metrics) -> Self {
        Self {
            table: clients.table(Policy::WORKER),
            results: clients.results(Policy::WORKER),
            files: clients.files(Policy::WORKER),
            queues: clients.queues(),
            batches: OneByOne::new(clients, metrics.clone(), SIDE_BY_SIDE).within(BUDGET),
            names: clients.config().names.clone(),
            clock,
            metrics,
        }
    }

    /// The table as this worker uses it, for whoever counts its calls.
    pub fn table(&self) -> &Table {
        &self.table
    }

    async fn import(&self, command: &ImportFile, dropped: &Dropped) -> Result<(), Failure> {
        let about = self.files.about(&command.key).await?;
        let Some(about) = about.filter(|about| about.etag == command.etag) else {
            tracing::info!("the file is gone, or another lies there and is announced as well");
            return self.abandon(command, dropped).await;
        };
        let id = id_of(command, dropped, &about)?;
        let Some(begun) = self.begin(id, command, dropped, &about).await? else { return Ok(()) };
        let Begun { mut run, company, is_permitted, newest } = begun;
        let newest_at = newest.as_ref().map(|newest| newest.value);
        let judged = self.judge(&mut run, dropped, &about, company, is_permitted, newest_at).await?;
        let this = put(items::newest_file(&command.tenant, &dropped.target, about.put_at)?, newest.as_ref());
        let judged = judged.map(|(effect, writes)| (effect, writes.into_iter().chain([this]).collect()));
        let import = run.finish(judged).await?;
        self.metrics.imported(&command.tenant, &dropped.target, matches!(import.stage, Stage::Applied(_)));
        self.tell(&import).await
    }

    /// Ends an import whose file went while nobody read it. One of a file that was put there past the API is
    /// not found without the file, and stays as it is.
    async fn abandon(&self, command: &ImportFile, dropped: &Dropped) -> Result<(), Failure> {
        let Ok(id) = dropped.name.parse() else { return Ok(()) };
        let key = keys::import(&dropped.tenant, id);
        let mut found = self.table.read([key.clone()]).await?;
        let import = take(&mut found, &key, |item| items::stored_import(&dropped.tenant, item))?;
        let Some(Stored { value: import, revision }) = import else { return Ok(()) };
        if import.etag != command.etag {
            return Ok(());
        }
        if import.stage.is_final() {
            return self.tell(&import).await;
        }
        let (files, clock) = (self.files.clone(), self.clock.clone());
        let run = Run::resume(import, revision, &command.key, self.table.clone(), files, clock);
        self.refuse(run, Refused::new(Reason::Replaced, "another file was put in its place, or none")).await
    }

    async fn refuse(&self, run: Run, refused: Refused) -> Result<(), Failure> {
        self.tell(&run.finish(Err(refused)).await?).await
    }

    /// Tells what an import came to, and that stations sell from its menu if they do.
    async fn tell(&self, import: &Import) -> Result<(), Failure> {
        let Import { tenant, id, target, updated_at, .. } = import;
        let switched = match (&import.stage, target) {
            (
                Stage::Applied(Effect::Menu { version, is_unchanged: false, .. }),
                Target::Menu(concessionaire),
            ) => Some(Event::of_menu(tenant, concessionaire, *version, *id, *updated_at)),
            _ => None,
        };
        self.results.tell(tenant, switched.into_iter().chain(Event::of_import(import))).await
    }

    /// The import that this file begins or goes on with; none if it has its outcome.
    async fn begin(
        &self,
        id: CommandId,
        command: &ImportFile,
        dropped: &Dropped,
        about: &About,
    ) -> Result<Option<Begun>, Failure> {
        let (key, tenant_key) = (keys::import(&dropped.tenant, id), keys::tenant(&dropped.tenant));
        let receipt_key = keys::receipt(&dropped.tenant, id);
        let newest_key = keys::newest_file(&dropped.tenant, &dropped.target);
        let wanted = [&key, &tenant_key, &receipt_key, &newest_key].map(Clone::clone);
        let user = about.by.as_ref().map(|by| (by, keys::user(&dropped.tenant, by)));
        let user_key = user.iter().map(|(_, key)| key.clone());
        let mut found = self.table.read(wanted.into_iter().chain(user_key)).await?;
        let is_permitted = match user {
            Some((by, key)) => {
                let user = found.take(&key).map(|item| items::stored_user(by, item)).transpose()?;
                let asked_at = about.asked_at.unwrap_or(Timestamp::MAX);
                user.is_some_and(|user| user.is_active_since(asked_at) && dropped.target.is_for(&user.role))
            }
            None => true,
        };
        let newest = take(&mut found, &newest_key, items::stored_newest_file)?;
        let has_receipt = found.take(&receipt_key).is_some();
        let tenant = found.take(&tenant_key);
        let tenant = tenant.ok_or_else(|| Failure::malformed("import a file", "there is no such tenant"))?;
        let company = items::stored_tenant(&dropped.tenant, tenant)?;
        let (files, now) = (self.files.clone(), self.clock.now());
        let read = |found: &mut Found| take(found, &key, |item| items::stored_import(&dropped.tenant, item));
        let mut import = read(&mut found)?;
        let is_open = import.as_ref().is_none_or(|import| !import.value.stage.is_final());
        // Keys are not read at one instant, and an import may have come to its end between: only behind its
        // receipt that is known to be another command's.
        if has_receipt && is_open {
            import = read(&mut self.table.read([key.clone()]).await?)?;
        }
        let Some(Stored { value: import, revision }) = import else {
            if has_receipt {
                tracing::info!("its id is another command's");
                return Ok(None);
            }
            let import = Import {
                tenant: dropped.tenant.clone(),
                id,
                target: dropped.target.clone(),
                options: about.options(unless(&dropped.target)).unwrap_or(unless(&dropped.target)),
                by: about.by.clone(),
                etag: about.etag.clone(),
                bytes: about.bytes,
                begun_at: now,
                updated_at: now,
                rows: domain::import::Rows::default(),
                stage: Stage::Validating,
            };
            let run = Run::begin(import, &command.key, self.table.clone(), files, self.clock.clone()).await?;
            return Ok(Some(Begun { run, company, is_permitted, newest }));
        };
        if import.target != dropped.target {
            tracing::info!("its id is that of another file");
            return Ok(None);
        }
        if import.stage.is_final() {
            tracing::info!("this import has its outcome");
            self.tell(&import).await?;
            return Ok(None);
        }
        let run = Run::resume(import, revision, &command.key, self.table.clone(), files, self.clock.clone());
        // Only with its end it has a receipt of its own, which nobody can write any more.
        if has_receipt {
            let reused = Refused::new(Reason::KeyReused, "its key became another command's meanwhile");
            self.refuse(run, reused).await?;
            return Ok(None);
        }
        Ok(Some(Begun { run, company, is_permitted, newest }))
    }

    /// What becomes of a file.
    async fn judge(
        &self,
        run: &mut Run,
        dropped: &Dropped,
        about: &About,
        company: Tenant,
        is_permitted: bool,
        newest_at: Option<Timestamp>,
    ) -> Result<Judged, Failure> {
        // What was begun is not left half done.
        if !is_permitted && run.import.stage == Stage::Validating {
            let detail = "whoever asked for its place may not import there any more";
            return Ok(Err(Refused::new(Reason::TooLate, detail)));
        }
        if newest_at.is_some_and(|newest_at| newest_at > about.put_at) {
            let detail = "a file that was put after it was applied before it; put it again if it still holds";
            return Ok(Err(Refused::new(Reason::TooLate, detail)));
        }
        if run.import.etag != about.etag {
            return Ok(Err(Refused::new(Reason::Replaced, "another file was put in its place")));
        }
        let waited = self.clock.now().duration_since(about.put_at);
        if waited > PATIENCE {
            let detail =
                format!("it waited for {} minutes; put it again if it still holds", waited.as_mins());
            return Ok(Err(Refused::new(Reason::TooLate, detail)));
        }
        if let Err(detail) = about.options(unless(&dropped.target)) {
            return Ok(Err(Refused::new(Reason::BadOptions, detail)));
        }
        let content_type = about.content_type.split(';').next().unwrap_or_default().trim();
        if !CONTENT_TYPES.contains(&content_type.to_ascii_lowercase().as_str()) {
            let detail = format!("{content_type:?} is none of {}", CONTENT_TYPES.join(", "));
            return Ok(Err(Refused::new(Reason::WrongContentType, detail)));
        }
        if about.bytes > MAX_FILE_BYTES {
            let detail = format!("it has more than {} MiB", MAX_FILE_BYTES / 1024 / 1024);
            return Ok(Err(Refused::new(Reason::TooLarge, detail)));
        }
        match &dropped.target {
            Target::Menu(concessionaire) => {
                Box::pin(menus::import(run, concessionaire, &company.currency)).await
            }
            Target::Roster => Box::pin(rosters::import(run, &company, about.put_at)).await,
        }
    }

    /// Keeps the message from others for as long as this worker lives.
    async fn renew(&self, delivery: Delivery<'_>) -> std::convert::Infallible {
        let lease = Release { receipt_handle: delivery.message.receipt_handle.clone(), delay_s: LEASE_S };
        loop {
            if let Err(failure) = self.queues.release(delivery.queue_arn, std::slice::from_ref(&lease)).await
            {
                tracing::warn!(error = chain(&failure), "a lease was not renewed");
            }
            tokio::time::sleep(RENEWAL).await;
        }
    }
}

/// A menu is replaced unless somebody says otherwise; nobody is let go because a file does not name them.
fn unless(target: &Target) -> Options {
    Options::new(match target {
        Target::Menu(_) => Mode::Replace,
        Target::Roster => Mode::Merge,
    })
}

/// The id that the API gave away with the place; for a file that was put there by other means one that is the
/// same whenever it is announced, and another if another is put there.
fn id_of(command: &ImportFile, dropped: &Dropped, about: &About) -> Result<CommandId, Failure> {
    if let Ok(id) = dropped.name.parse() {
        return Ok(id);
    }
    let hash = RequestHash::of_file(&command.key, &command.sequencer);
    let id = CommandId::made_at(about.put_at.as_millisecond(), hash.as_bytes());
    id.map_err(|error: InvalidKey| Failure::malformed("name an import", error))
}

impl Worker for ImportWorker {
    async fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        self.batches.handle(event, self).await
    }
}

impl WorkOff for ImportWorker {
    async fn work_off(&self, delivery: Delivery<'_>) -> Result<(), Failure> {
        let (command, dropped) = read(delivery, &self.names)?;
        tokio::select! {
            biased;
            done = self.import(&command, &dropped) => done,
            never = self.renew(delivery) => match never {},
        }
    }
}

/// An announcement, and what its file is for.
fn read(delivery: Delivery<'_>, names: &Names) -> Result<(ImportFile, Dropped), Failure> {
    let Command::ImportFile(command) = delivery.read(names)? else { return Err(fifo::another_workers()) };
    let dropped = Dropped::parse(&command.key);
    let dropped = dropped.ok_or_else(|| Failure::malformed("read a message", "its file is nobody's"))?;
    Ok((command, dropped))
}
