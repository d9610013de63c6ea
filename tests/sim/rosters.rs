//! Who joins a company and who is let go: whether the latest cutoff has a share for them, and whether a file
//! said so.

use super::Sim;
use super::chaos::{INDEX_LAG_MAX_MS, SKEW_MAX_MS};
use super::office::{Of, Timeline};
use super::oracle::{Invariant, Oracle, Verdict};
use aws::items::{self, Item};
use aws::keys;
use domain::cutoff::booking_id;
use domain::employee::Employee;
use domain::id::{EmployeeNumber, TenantId};
use domain::import::{Import, Mode, Strictness, Target};
use domain::role::Status;
use jiff::{SignedDuration, Timestamp};

impl Sim {
    /// An employee as somebody asked for them, or as a file or a schedule has them.
    pub fn see_employee(
        &self,
        tenant: &TenantId,
        number: &EmployeeNumber,
        item: Item,
        is_asked: bool,
    ) -> Verdict {
        let of = (tenant.clone(), number.clone());
        let (before, after) = {
            let mut office = self.office();
            let before = office.employees.get(&of).map(|who| who.current().clone());
            office.learn_employee(tenant, number, item, self.clock.now_ms());
            (before, office.employees[&of].current().clone())
        };
        let stamped = before.as_ref().and_then(|before| before.changed_at);
        if is_asked && after.changed_at.is_none() || !is_asked && after.changed_at != stamped {
            let what = format!("{before:?} became {after:?}, which does not say when somebody changed them");
            return Err((Invariant::Overwritten, what));
        }
        if let Some(before) = before.as_ref().filter(|before| !is_asked && **before != after) {
            self.check_overtaken_row(&of, before)?;
        }
        match (before.map(|before| before.status), after.status) {
            (None, Status::Active) => self.check_joiner(&of),
            (Some(Status::Active), Status::Inactive) if !is_asked => self.check_leaver(&of),
            _ => Ok(()),
        }
    }

    /// A file changes nobody whom somebody changed after it was put.
    fn check_overtaken_row(&self, (tenant, number): &Of<EmployeeNumber>, before: &Employee) -> Verdict {
        let (oracle, files) = (self.oracle(), self.files());
        let is_right = |import: &Import| !is_newer(before, files.put_at(&import.etag));
        if before.changed_at.is_none() || rosters(&oracle, tenant).any(is_right) {
            Ok(())
        } else {
            let what = format!("{tenant}'s {number} was changed by a file that was put before {before:?}");
            Err((Invariant::Overwritten, what))
        }
    }

    /// Whoever joins has a share of the latest cutoff while it is open, and where the policy says so.
    fn check_joiner(&self, (tenant, number): &Of<EmployeeNumber>) -> Verdict {
        let Some(roster) = self.roster(tenant) else { return Ok(()) };
        let stored = self.table.get(&keys::cutoff(tenant, roster.latest)).expect("a cutoff");
        let cutoff = items::stored_cutoff(roster.latest, stored).unwrap().cutoff;
        let has_share = cutoff.policy.prorates_joiners || cutoff.closed.is_none();
        let is_booked = self.table.get(&keys::booking(tenant, number, &booking_id(roster.latest))).is_some();
        if has_share == is_booked {
            Ok(())
        } else {
            let what = format!("{tenant}'s {number} joined, with a share {is_booked}, of {cutoff:?}");
            Err((Invariant::Granted, what))
        }
    }

    /// Nobody is let go but by a file that is the whole roster, may miss people, and misses them.
    fn check_leaver(&self, (tenant, number): &Of<EmployeeNumber>) -> Verdict {
        let (oracle, office) = (self.oracle(), self.office());
        let mut files = rosters(&oracle, tenant).filter(|import| !import.stage.is_final());
        let misses = |import: &Import| {
            import.options.mode == Mode::Replace
                && import.options.max_missing_percent.is_none_or(|most| most.get() > 0)
                && !office.dropped[&import.etag].contains_key(number.as_str())
        };
        if files.any(misses) {
            Ok(())
        } else {
            Err((Invariant::Switched, format!("{tenant}'s {number} was let go, and no file says so")))
        }
    }

    /// Whoever is in a file that was taken in is as it says, and whoever is not is let go where it is the
    /// whole roster, unless somebody has changed that since.
    pub fn check_roster(&self, import: &Import) -> Verdict {
        let office = self.office();
        let rows = &office.dropped[&import.etag];
        let (from_ms, to_ms) = (import.begun_at.as_millisecond() - SKEW_MAX_MS, self.clock.now_ms());
        let is_whole = import.options.mode == Mode::Replace;
        let put_at = self.files().put_at(&import.etag);
        let is_overtaken =
            |who: &Timeline<Employee>| who.within(from_ms, to_ms).any(|one| is_newer(one, put_at));
        let own = || office.employees.iter().filter(|((tenant, _), _)| *tenant == import.tenant);
        let overtaken =
            own().filter(|((_, number), who)| rows.contains_key(number.as_str()) && is_overtaken(who));
        // Rows of whom somebody changed meanwhile are bad, and say what they say.
        let overtaken = u64::try_from(overtaken.count()).unwrap();
        let is_strict = import.options.strictness == Strictness::Strict;
        if (is_whole || is_strict) && import.rows.bad > overtaken {
            return Err((
                Invariant::Switched,
                format!("{import:?} has rows that say nothing, and was taken in"),
            ));
        }
        for ((_, number), who) in own().filter(|(_, who)| !is_overtaken(who)) {
            let mut since = who.within(from_ms, to_ms);
            // The roster is read from an index.
            let was_there = who.since_ms() + INDEX_LAG_MAX_MS < from_ms;
            let is_right = match rows.get(number.as_str()) {
                Some(limit) => since.any(|one| one.limit.is_some_and(|stands| stands.minor() == *limit)),
                None if is_whole && was_there => since.any(|one| one.status == Status::Inactive),
                None => true,
            };
            if !is_right {
                let what = format!("{number} is {:?} after a file of {rows:?}", who.current());
                return Err((Invariant::Switched, what));
            }
        }
        let is_hired = |number: &String| {
            office.employees.contains_key(&(import.tenant.clone(), number.parse().unwrap()))
        };
        match rows.keys().find(|number| !is_hired(number)) {
            None => Ok(()),
            Some(number) => Err((Invariant::Switched, format!("{number} of {} was not hired", import.id))),
        }
    }
}

/// Files of a tenant's roster that somebody began to take in.
fn rosters<'a>(oracle: &'a Oracle, tenant: &'a TenantId) -> impl Iterator<Item = &'a Import> {
    let is_roster = move |import: &&Import| import.tenant == *tenant && import.target == Target::Roster;
    oracle.imports.values().filter(is_roster)
}

/// Whether somebody changed an employee later than in the second after a file was put.
fn is_newer(employee: &Employee, put_at: Timestamp) -> bool {
    employee.changed_at.is_some_and(|changed_at| changed_at >= put_at + SignedDuration::from_secs(1))
}
