//! Who takes part in a simulation, and how their affairs change, written straight into the table or learned
//! from what workers commit. It remembers what was true when, for whoever checks a decision later.

use super::pool::Pool;
use super::table::TableModel;
use aws::items::{self, Item, MenuHead};
use aws::keys;
use domain::booking::{Booking, BookingKind, BookingOutcome};
use domain::command::Kind;
use domain::cutoff::StandingPolicy;
use domain::employee::{BadgeStatus, Employee};
use domain::id::{ConcessionaireId, EmployeeNumber, MealCode, StationId, TenantId, UserName, WebhookId};
use domain::menu::{Meal, Meals, MenuVersion};
use domain::money::Money;
use domain::role::{Admins, Role, Status, User};
use domain::tenant::{BusinessDay, Concessionaire, Station, Tenant, TenantStatus};
use domain::wallet::Wallet;
use domain::webhook::{Webhook, Webhooks};
use jiff::civil::Time;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp, ToSpan};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

pub const MEALS: [&str; 4] = ["SOUP", "RICE", "TEA", "CAKE"];
const STALLS: [&str; 2] = ["bar", "kitchen"];
/// The webhook of whoever has a system that is told.
pub const WEBHOOK: &str = "01900000-0000-7000-8000-0000000000aa";
const DISCOUNTS: [i64; 4] = [0, 0, 1_000, 333];
/// Where companies are, and by how many hours they are ahead of UTC.
const ZONES: [(&str, i8); 2] = [("Asia/Manila", 8), ("America/Sao_Paulo", -3)];
/// One company in so many was just founded, so that nothing reaches its queues yet.
const FOUNDED_ONE_IN: u32 = 4;

/// Values and since when each was true. Never empty.
#[derive(Debug)]
pub struct Timeline<T>(Vec<(i64, T)>);

impl<T> Timeline<T> {
    fn new(at_ms: i64, value: T) -> Self {
        Self(vec![(at_ms, value)])
    }

    pub fn current(&self) -> &T {
        &self.0.last().expect("a first value").1
    }

    /// Since when anything was.
    pub fn since_ms(&self) -> i64 {
        self.0.first().expect("a first value").0
    }

    /// What was true until the last change.
    pub fn before_last(&self) -> Option<&T> {
        self.0.iter().rev().nth(1).map(|(_, value)| value)
    }

    /// Every value that was ever true.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Every value that was true at some instant of the span, its ends included.
    pub fn within(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = &T> {
        let until = |index: usize| self.0.get(index + 1).map_or(i64::MAX, |(next_ms, _)| *next_ms);
        let entries = self.0.iter().enumerate();
        entries
            .filter(move |(index, (at_ms, _))| *at_ms <= to_ms && until(*index) >= from_ms)
            .map(|(_, (_, value))| value)
    }
}

/// Something of a tenant, as the office keeps it.
pub type Of<T> = (TenantId, T);

#[derive(Debug)]
pub struct Office {
    pub tenants: BTreeMap<TenantId, Timeline<Tenant>>,
    pub employees: BTreeMap<Of<EmployeeNumber>, Timeline<Employee>>,
    pub menus: BTreeMap<Of<ConcessionaireId>, Timeline<MenuHead>>,
    pub meals: BTreeMap<(TenantId, ConcessionaireId, u32), Meals>,
    pub stations: BTreeMap<Of<StationId>, Timeline<Station>>,
    /// Of whoever replenishes credit.
    pub policies: BTreeMap<TenantId, Timeline<StandingPolicy>>,
    /// Good rows of files, by the file's tag: what meals cost, or the limits of employees.
    pub dropped: BTreeMap<String, BTreeMap<String, i64>>,
    /// What tenants are told over, for as long as nobody changes it.
    pub webhooks: BTreeMap<TenantId, Webhook>,
    bookings: u32,
}

/// Somebody at a terminal.
#[derive(Debug, Clone)]
pub struct Cashier {
    pub tenant: TenantId,
    pub user: UserName,
    pub stall: ConcessionaireId,
    pub station: StationId,
}

impl Cashier {
    /// The colleague at the same stall whose name ends with a role: `-manager`, `-admin`, `-platform`, or
    /// nothing for themselves.
    pub fn in_role(&self, role: &str) -> Self {
        Self { user: format!("{}{role}", self.user).parse().unwrap(), ..self.clone() }
    }
}

impl Office {
    /// Opens for business: one or two companies of two or three buyers and two stalls each.
    pub fn open(
        table: &TableModel,
        pool: &mut Pool,
        rng: &mut fastrand::Rng,
        now_ms: i64,
    ) -> (Self, Vec<Cashier>) {
        let mut office = Self {
            tenants: BTreeMap::new(),
            employees: BTreeMap::new(),
            menus: BTreeMap::new(),
            meals: BTreeMap::new(),
            stations: BTreeMap::new(),
            policies: BTreeMap::new(),
            dropped: BTreeMap::new(),
            webhooks: BTreeMap::new(),
            bookings: 0,
        };
        let mut cashiers = Vec::new();
        for name in ["acme", "globex"].into_iter().take(rng.usize(1..=2)) {
            let tenant: TenantId = name.parse().unwrap();
            office.set_tenant(table, company(&tenant, rng), now_ms);
            for number in 1..=rng.u32(2..=3) {
                office.hire(table, &tenant, buyer(number, rng), now_ms);
            }
            let mut admins = BTreeSet::new();
            for stall in STALLS {
                cashiers.push(office.furnish(table, &tenant, stall, rng, now_ms));
                admins.insert(format!("{tenant}-{stall}-admin").parse().unwrap());
                for role in ["", "-manager", "-admin", "-platform"] {
                    pool.add(&format!("{tenant}-{stall}{role}"), tenant.as_str());
                }
            }
            table.put(&items::admins(&tenant, &Admins(admins)).unwrap());
            office.provide(table, &tenant, rng, now_ms);
        }
        (office, cashiers)
    }

    fn furnish(
        &mut self,
        table: &TableModel,
        tenant: &TenantId,
        stall: &str,
        rng: &mut fastrand::Rng,
        now_ms: i64,
    ) -> Cashier {
        let stall: ConcessionaireId = stall.parse().unwrap();
        let id = format!("{stall}-1").parse().unwrap();
        let station = Station::new(id, stall.clone());
        self.set_station(table, tenant, station.clone(), now_ms);
        let concessionaire = Concessionaire { id: stall.clone(), name: stall.to_string() };
        table.put(&items::concessionaire(tenant, &concessionaire).unwrap());
        let user: UserName = format!("{tenant}-{stall}").parse().unwrap();
        let role = Role::Cashier { concessionaire_id: stall.clone() };
        table.put(&items::user(tenant, &User::active(user.clone(), role)).unwrap());
        let manager = Role::Manager { concessionaire_id: stall.clone() };
        for (suffix, role) in [("manager", manager), ("admin", Role::Admin), ("platform", Role::Platform)] {
            let name = format!("{user}-{suffix}").parse().unwrap();
            table.put(&items::user(tenant, &User::active(name, role)).unwrap());
        }
        let (tenant, station) = (tenant.clone(), station.id);
        self.print_menu(table, &tenant, &stall, rng, now_ms);
        Cashier { tenant, user, stall, station }
    }

    /// Some companies replenish credit, and some have a system that is told.
    fn provide(&mut self, table: &TableModel, tenant: &TenantId, rng: &mut fastrand::Rng, now_ms: i64) {
        let now = Timestamp::from_millisecond(now_ms).unwrap();
        if rng.bool() {
            let since = now - SignedDuration::from_hours(48);
            let began = offset(self.tenants[tenant].current()).to_datetime(now).time();
            let policy = serde_json::from_value(policy(began, rng)).unwrap();
            self.set_policy(table, tenant, StandingPolicy { policy, since }, now_ms);
        }
        if rng.u32(0..3) == 0 {
            let id: WebhookId = WEBHOOK.parse().unwrap();
            let url = format!("https://hooks.example/{tenant}/all").try_into().unwrap();
            let webhook = Webhook::new(id, url, [].into(), now);
            let webhooks = Webhooks([(id, webhook.clone())].into());
            table.put(&items::webhooks(tenant, &webhooks).unwrap());
            self.webhooks.insert(tenant.clone(), webhook);
        }
    }

    pub fn learn_tenant(&mut self, tenant: &TenantId, item: Item, now_ms: i64) {
        let learned = items::stored_tenant(tenant, item).unwrap();
        learn(&mut self.tenants, tenant.clone(), learned, now_ms);
    }

    pub fn learn_employee(&mut self, tenant: &TenantId, number: &EmployeeNumber, item: Item, now_ms: i64) {
        let learned = items::stored_employee(number, item).unwrap();
        learn(&mut self.employees, (tenant.clone(), number.clone()), learned, now_ms);
    }

    pub fn learn_station(&mut self, tenant: &TenantId, item: Item, now_ms: i64) {
        let learned = items::listed_station(item).unwrap();
        learn(&mut self.stations, (tenant.clone(), learned.id.clone()), learned, now_ms);
    }

    pub fn learn_policy(&mut self, tenant: &TenantId, item: Item, now_ms: i64) {
        learn(&mut self.policies, tenant.clone(), items::stored_policy(item).unwrap(), now_ms);
    }

    pub fn set_policy(
        &mut self,
        table: &TableModel,
        tenant: &TenantId,
        standing: StandingPolicy,
        now_ms: i64,
    ) {
        table.replace(&keys::policy(tenant), items::policy(tenant, &standing).unwrap());
        learn(&mut self.policies, tenant.clone(), standing, now_ms);
    }

    /// Every cashier has their station, open.
    pub fn open_stations(&mut self, table: &TableModel, cashiers: &[Cashier], now_ms: i64) {
        for Cashier { tenant, stall, station, .. } in cashiers {
            self.set_station(table, tenant, Station::new(station.clone(), stall.clone()), now_ms);
        }
    }

    fn set_station(&mut self, table: &TableModel, tenant: &TenantId, station: Station, now_ms: i64) {
        table.replace(&keys::station(tenant, &station.id), items::station(tenant, &station).unwrap());
        learn(&mut self.stations, (tenant.clone(), station.id.clone()), station, now_ms);
    }

    pub fn learn_menu(
        &mut self,
        table: &TableModel,
        tenant: &TenantId,
        stall: &ConcessionaireId,
        item: Item,
        now_ms: i64,
    ) {
        let learned = items::stored_menu_head(item).unwrap();
        let version = learned.version.meals;
        let of = (tenant.clone(), stall.clone(), version);
        self.meals.entry(of).or_insert_with(|| {
            let meals = table.partition(&format!("T#{tenant}#M#{stall}#V#{version}"));
            meals.into_iter().map(|item| items::stored_meal(item).unwrap()).collect()
        });
        learn(&mut self.menus, (tenant.clone(), stall.clone()), learned, now_ms);
    }

    /// Meals of the version before the one that a menu has now.
    pub fn meals_before(&self, of: &Of<ConcessionaireId>) -> impl Iterator<Item = &MealCode> {
        let heads = &self.menus[of].0;
        let now = heads.last().expect("a menu").1.version.meals;
        let before = heads.iter().rev().map(|(_, head)| head.version.meals).find(|version| *version != now);
        let meals = before.map(|version| &self.meals[&(of.0.clone(), of.1.clone(), version)]);
        meals.into_iter().flat_map(BTreeMap::keys)
    }

    /// Whether a partition is of an employee who joined since.
    pub fn joined_after(&self, pk: &str, since_ms: i64) -> bool {
        let of = pk.strip_prefix("T#").and_then(|rest| rest.split_once("#E#"));
        let of = of.map(|(tenant, number)| (tenant.parse().unwrap(), number.parse().unwrap()));
        let who = of.and_then(|of| self.employees.get(&of));
        who.is_some_and(|who| who.0.first().is_some_and(|(joined_ms, _)| *joined_ms > since_ms))
    }

    fn hire(&mut self, table: &TableModel, tenant: &TenantId, employee: Employee, now_ms: i64) {
        let by = "office".parse().unwrap();
        let at = Timestamp::from_millisecond(now_ms).unwrap();
        let items = local::seed::buyer(tenant, &employee, &by, at).unwrap();
        items.iter().for_each(|item| table.put(item));
        let key = (tenant.clone(), employee.number.clone());
        self.employees.insert(key, Timeline::new(now_ms, employee));
    }

    fn set_tenant(&mut self, table: &TableModel, tenant: Tenant, now_ms: i64) {
        table.replace(&keys::tenant(&tenant.id), items::tenant(&tenant).unwrap());
        learn(&mut self.tenants, tenant.id.clone(), tenant, now_ms);
    }

    pub fn set_status(&mut self, table: &TableModel, tenant: &TenantId, status: TenantStatus, now_ms: i64) {
        let tenant = Tenant { status, ..self.tenants[tenant].current().clone() };
        self.set_tenant(table, tenant, now_ms);
    }

    pub fn change_employee(
        &mut self,
        table: &TableModel,
        of: &Of<EmployeeNumber>,
        now_ms: i64,
        change: impl FnOnce(&mut Employee),
    ) {
        let timeline = self.employees.get_mut(of).expect("an employee");
        let mut employee = timeline.current().clone();
        change(&mut employee);
        table.replace(&keys::employee(&of.0, &of.1), items::employee(&of.0, &employee).unwrap());
        timeline.0.push((now_ms, employee));
    }

    /// A new version of the meals at prices of its own.
    pub fn print_menu(
        &mut self,
        table: &TableModel,
        tenant: &TenantId,
        stall: &ConcessionaireId,
        rng: &mut fastrand::Rng,
        now_ms: i64,
    ) {
        let of = (tenant.clone(), stall.clone());
        let version = self.menus.get(&of).map_or(1, |menu| menu.current().begun + 1);
        let meals: Meals = MEALS.iter().map(|code| (code.parse().unwrap(), meal(code, rng))).collect();
        for (code, meal) in &meals {
            table.put(&items::meal(tenant, stall, version, code, meal).unwrap());
        }
        self.meals.insert((tenant.clone(), stall.clone(), version), meals);
        let version = MenuVersion { meals: version, edit: 0 };
        let head = MenuHead { version, begun: version.meals, ..MenuHead::default() };
        self.set_head(table, of, head, now_ms);
    }

    /// Sells out a meal, or brings it back.
    pub fn turn_meal(&mut self, table: &TableModel, of: Of<ConcessionaireId>, code: &str, now_ms: i64) {
        let mut head = self.menus[&of].current().clone();
        head.version.edit += 1;
        let code = code.parse().unwrap();
        if head.sold_out.remove(&code).is_none() {
            head.sold_out.insert(code, None);
        }
        self.set_head(table, of, head, now_ms);
    }

    fn set_head(&mut self, table: &TableModel, of: Of<ConcessionaireId>, head: MenuHead, now_ms: i64) {
        table.replace(&keys::menu(&of.0, &of.1), items::menu_head(&of.0, &of.1, &head).unwrap());
        learn(&mut self.menus, of, head, now_ms);
    }

    /// Gives credit: booking and wallet as one step, as any other mover of wallets would.
    pub fn book(&mut self, table: &TableModel, pk: &str, of: &Of<EmployeeNumber>, amount: i64, now_ms: i64) {
        let items = table.partition(pk);
        let wallet = items.into_iter().find(|item| sort_key(item) == "WALLET").expect("a wallet");
        let before = items::stored_wallet(wallet).unwrap();
        let after = Wallet {
            balance: Money::from_minor(before.balance.minor() + amount),
            version: before.version + 1,
        };
        self.bookings += 1;
        let booking = Booking {
            id: format!("credit-{}", self.bookings).parse().unwrap(),
            kind: BookingKind::Opening,
            at: Timestamp::from_millisecond(now_ms).unwrap(),
            by: "office".parse().unwrap(),
            cause: None,
            replenished: None,
            outcome: BookingOutcome::Booked { amount: Money::from_minor(amount), after },
        };
        table.put(&items::booking(&of.0, &of.1, &booking).unwrap());
        table.put(&items::wallet(&of.0, &of.1, after).unwrap());
    }
}

/// Adds what is true from now on.
fn learn<K: Ord, T>(timelines: &mut BTreeMap<K, Timeline<T>>, of: K, value: T, now_ms: i64) {
    match timelines.get_mut(&of) {
        Some(timeline) => timeline.0.push((now_ms, value)),
        None => _ = timelines.insert(of, Timeline::new(now_ms, value)),
    }
}

/// How a company replenishes credit, as it is stored: with a cutoff that was due the day before a simulation
/// begins, is as it begins, or soon, and another within an outage.
fn policy(began: Time, rng: &mut fastrand::Rng) -> Value {
    let method = match rng.u32(0..3) {
        0 => json!({ "method": "reset" }),
        1 => json!({ "method": "raise_to" }),
        _ => json!({ "method": "top_up", "amount": rng.i64(1..2_000), "cap": rng.i64(1_000..6_000) }),
    };
    let negative_balance = ["forgive", "carry"][rng.usize(0..2)];
    let at = [began.wrapping_sub(1.hour()), began.wrapping_add(1.minute())];
    json!({
        "schedule": { "semi_monthly": { "first": rng.u32(1..=2), "second": rng.u32(3..16) } },
        "at": at[rng.usize(0..2)].strftime("%H:%M").to_string(),
        "method": method,
        "negative_balance": negative_balance,
        "default_limit": rng.i64(0..5_000),
        "prorates_joiners": rng.bool(),
    })
}

/// How far a company's clocks are from UTC: all year, as no zone here changes them in spring.
pub fn offset(tenant: &Tenant) -> Offset {
    let zone = tenant.business_day.zone_name();
    let (_, hours) = ZONES.into_iter().find(|(name, _)| *name == zone).expect("a zone of a simulation");
    Offset::constant(hours)
}

pub fn sort_key(item: &Item) -> &str {
    item["SK"].as_s().expect("a sort key")
}

fn company(id: &TenantId, rng: &mut fastrand::Rng) -> Tenant {
    let (zone, _) = ZONES[rng.usize(0..ZONES.len())];
    let closing_hour = [0, 0, 4, 13][rng.usize(0..4)];
    let is_founded = rng.u32(0..FOUNDED_ONE_IN) == 0;
    Tenant {
        id: id.clone(),
        name: id.to_string(),
        status: TenantStatus::Active,
        currency: "PHP".to_owned().try_into().unwrap(),
        business_day: BusinessDay::new(zone, closing_hour).unwrap(),
        overdraft_limit: Money::from_minor(if rng.u32(0..3) == 0 { 300 } else { 0 }),
        reached: if is_founded { BTreeSet::new() } else { Kind::ALL.into() },
    }
}

fn buyer(number: u32, rng: &mut fastrand::Rng) -> Employee {
    Employee {
        number: number.to_string().parse().unwrap(),
        name: format!("Buyer {number}"),
        status: Status::Active,
        discount: DISCOUNTS[rng.usize(0..DISCOUNTS.len())].try_into().unwrap(),
        limit: Some(Money::from_minor(rng.i64(200..8_000))),
        badges: [(format!("RF-{number}").parse().unwrap(), BadgeStatus::Active)].into(),
        image_url: None,
        changed_at: None,
    }
}

fn meal(code: &str, rng: &mut fastrand::Rng) -> Meal {
    Meal {
        name: code.to_lowercase(),
        category: "food".to_owned(),
        price: rng.i64(0..600).try_into().unwrap(),
        calories: None,
    }
}
