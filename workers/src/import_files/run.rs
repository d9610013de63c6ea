//! An import under way: the file that it reads and the item that says how far it is.

use super::pipe::pipe;
use aws::clock::Clock;
use aws::failure::{Failure, chain};
use aws::files::Files;
use aws::items;
use aws::table::{NotCommitted, Table, Write};
use domain::admin::{Receipt, ReceiptOutcome};
use domain::id::{InvalidId, UserName};
use domain::import::{Effect, FileRow, Import, Reason, Refused, Rows, Stage, Strictness, Target};
use domain::planted::{self, Planted};
use domain::request::RequestHash;
use domain::tenant::Currency;
use serde_json::Value;
use sheets::{BadRows, Checked, Taken, Unreadable, check};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver};
use tokio::task::spawn_blocking;

/// Between two notes of how far an import is.
const PROGRESS: Duration = Duration::from_secs(2);
/// Who dropped a file past the API.
const UNKNOWN: &str = "file-drop";
/// Rows that wait to be written.
const ROWS_AHEAD: usize = 500;

/// What an import changes, with what has to be written together with that; or why it does not.
pub type Judged = Result<(Effect, Vec<Write>), Refused>;

#[derive(Debug)]
pub struct Run {
    pub import: Import,
    pub table: Table,
    revision: u64,
    key: String,
    files: Files,
    clock: Clock,
}

impl Run {
    /// One that nobody began.
    pub async fn begin(
        import: Import,
        key: &str,
        table: Table,
        files: Files,
        clock: Clock,
    ) -> Result<Self, Failure> {
        let begun = Write::Create(items::import(&import)?);
        table.commit(vec![begun]).await.map_err(|error| error.alone("begin an import"))?;
        Ok(Self::resume(import, 0, key, table, files, clock))
    }

    /// One that was left half way.
    pub fn resume(
        import: Import,
        revision: u64,
        key: &str,
        table: Table,
        files: Files,
        clock: Clock,
    ) -> Self {
        Self { import, table, revision, key: key.to_owned(), files, clock }
    }

    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Who asked for it, or that nobody of ours did.
    pub fn by(&self) -> Result<UserName, Failure> {
        let by = self.import.by.clone().map_or_else(|| UNKNOWN.parse(), Ok);
        by.map_err(|error: InvalidId| Failure::malformed("name who imports", error))
    }

    /// What the audit says of it.
    pub fn receipt(
        &self,
        change: &str,
        subject: String,
        before: Value,
        after: Value,
    ) -> Result<Write, Failure> {
        let Import { tenant, id, etag, begun_at, .. } = &self.import;
        let receipt = Receipt {
            tenant: tenant.clone(),
            id: *id,
            request: RequestHash::of_file(&self.key, etag),
            caller: self.by()?,
            change: change.to_owned(),
            subject,
            reason: None,
            is_platforms: false,
            accepted_at: *begun_at,
            decided_at: self.clock.now(),
            outcome: ReceiptOutcome::Applied { before, after },
        };
        Ok(Write::Create(items::receipt(&receipt)?))
    }

    /// Looks at every row; nothing is written but how far it is. `rehearse` gets the good ones, and says
    /// which of them cannot be used as things are. Whoever is strict accepts no bad row.
    pub async fn validate<R, W>(
        &mut self,
        currency: &Currency,
        rehearse: impl FnOnce(Receiver<Taken<R>>, Arc<AtomicU64>) -> W,
    ) -> Result<Result<Checked, Refused>, Failure>
    where
        R: FileRow,
        W: Future<Output = Result<BadRows, Failure>>,
    {
        let pass = self.pass(currency, |import, seen| import.rows.good = seen, rehearse).await?;
        let mut checked = match pass {
            Ok((mut checked, unusable)) => {
                checked.refuse(unusable);
                checked
            }
            Err(refused) => return Ok(Err(refused)),
        };
        self.list(&mut checked).await?;
        let is_strict =
            self.import.options.strictness == Strictness::Strict && !planted::is(Planted::BadRowsTaken);
        let Rows { good, bad, .. } = self.import.rows;
        // What was begun goes on: a row that is bad since is listed.
        if bad > 0 && is_strict && self.import.stage == Stage::Validating {
            let detail = format!("{bad} of {} rows are wrong", bad + good);
            return Ok(Err(Refused::new(Reason::BadRows, detail)));
        }
        Ok(Ok(checked))
    }

    /// Counts rows, and keeps the bad ones for whoever mends them.
    pub async fn list(&mut self, checked: &mut Checked) -> Result<(), Failure> {
        let bad = std::mem::take(&mut checked.bad);
        let listed = u64::try_from(bad.told.len()).unwrap_or(u64::MAX);
        self.import.rows = Rows { good: checked.good, bad: bad.count, listed };
        if bad.count > 0 {
            let mut csv = Vec::new();
            let written = checked.write(&bad, &mut csv);
            written.map_err(|error| Failure::malformed("list bad rows", error))?;
            self.files.keep_bad_rows(&self.import.tenant, self.import.id, csv).await?;
        }
        Ok(())
    }

    /// Gives every good row to `write`, which counts them and says what came of them.
    pub async fn apply<R, T, W>(
        &mut self,
        currency: &Currency,
        write: impl FnOnce(Receiver<Taken<R>>, Arc<AtomicU64>) -> W,
    ) -> Result<Result<(Checked, T), Refused>, Failure>
    where
        R: FileRow,
        W: Future<Output = Result<T, Failure>>,
    {
        let note = |import: &mut Import, done| import.stage = Stage::Applying { done };
        note(&mut self.import, 0);
        self.save(vec![]).await.map_err(|error| error.alone("note an import"))?;
        self.pass(currency, note, write).await
    }

    /// Reads the file once, and notes meanwhile how many rows `take` has counted.
    async fn pass<R, T, W>(
        &mut self,
        currency: &Currency,
        note: impl Fn(&mut Import, u64),
        take: impl FnOnce(Receiver<Taken<R>>, Arc<AtomicU64>) -> W,
    ) -> Result<Result<(Checked, T), Refused>, Failure>
    where
        R: FileRow,
        W: Future<Output = Result<T, Failure>>,
    {
        let (sender, receiver) = mpsc::channel(ROWS_AHEAD);
        let each = move |row: Taken<R>| sender.blocking_send(row).map_err(|_| Unreadable::Abandoned);
        let (files, key, import) = (self.files.clone(), self.key.clone(), self.import.clone());
        let counter = Arc::new(AtomicU64::new(0));
        let both = async {
            let reading = read(&files, &key, &import, currency, each);
            let (read, taken) = tokio::join!(reading, take(receiver, counter.clone()));
            let taken = taken?;
            Ok(read?.map(|checked| (checked, taken)))
        };
        self.noting(&counter, both, note).await
    }

    /// Notes now and then how far `work` is.
    pub async fn noting<T>(
        &mut self,
        counter: &AtomicU64,
        work: impl Future<Output = Result<T, Failure>>,
        note: impl Fn(&mut Import, u64),
    ) -> Result<T, Failure> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = tokio::time::sleep(PROGRESS) => {
                    note(&mut self.import, counter.load(Ordering::Relaxed));
                    // What is not noted now is noted next time, unless somebody else has the import.
                    match self.save(vec![]).await {
                        Err(NotCommitted::Failure(failure)) if failure.is_transient() => {
                            tracing::warn!(error = chain(&failure), "progress was not noted");
                        }
                        noted => noted.map_err(|error| error.alone("note an import"))?,
                    }
                }
            }
        }
    }

    /// Writes the import as it is now, together with what goes with that.
    async fn save(&mut self, mut with: Vec<Write>) -> Result<(), NotCommitted> {
        self.import.updated_at = self.clock.now();
        with.push(Write::Replace { item: items::import(&self.import)?, from: self.revision });
        self.table.commit(with).await?;
        self.revision += 1;
        Ok(())
    }

    /// Ends the import.
    pub async fn finish(mut self, judged: Judged) -> Result<Import, Failure> {
        let (stage, with) = match judged {
            Ok((effect, with)) => (Stage::Applied(effect), with),
            Err(refused) => (Stage::Refused(self.with_what_was_done(refused)), vec![]),
        };
        self.import.stage = stage;
        self.save(with).await.map_err(|error| error.alone("end an import"))?;
        self.log();
        Ok(self.import)
    }

    /// Employees are written one by one, so a roster that ends half way has changed something. A menu never
    /// has.
    fn with_what_was_done(&self, mut refused: Refused) -> Refused {
        if let (Stage::Applying { .. }, Target::Roster) = (&self.import.stage, &self.import.target) {
            refused.detail += "; rows of it may have been written by then, and stay";
        }
        refused
    }

    /// Without its details: they may hold anybody's name.
    fn log(&self) {
        let (id, Rows { good, bad, .. }) = (self.import.id.to_string(), self.import.rows);
        match &self.import.stage {
            Stage::Refused(refused) => {
                let reason = refused.reason.as_str();
                tracing::info!(import.id = id, good, bad, reason, "refused import {id}: {reason}");
            }
            Stage::Applied(_) | Stage::Applying { .. } | Stage::Validating => {
                tracing::info!(import.id = id, good, bad, "applied import {id}");
            }
        }
    }
}

/// Reads the whole file, on a thread of its own, and gives each good row to `each`.
async fn read<R: FileRow>(
    files: &Files,
    key: &str,
    import: &Import,
    currency: &Currency,
    each: impl FnMut(Taken<R>) -> Result<(), Unreadable> + Send + 'static,
) -> Result<Result<Checked, Refused>, Failure> {
    let Some(content) = files.open(key, &import.etag).await? else {
        return Ok(Err(Refused::new(Reason::Replaced, "another file was put in its place, or none")));
    };
    let (inlet, outlet) = pipe();
    let (currency, options) = (currency.clone(), import.options);
    let checking = spawn_blocking(move || check::<R>(outlet, &currency, &options, each));
    let (passed, checked) = tokio::join!(inlet.pass(content), checking);
    passed?;
    let checked = checked.map_err(|error| Failure::malformed("look at a file", error))?;
    Ok(checked.map_err(|error| Refused::new(error.reason(), chain(&error))))
}
