//! Who takes part in a simulation, and how their affairs change: the administrators' side, written
//! straight into the table. It remembers what was true when, for whoever checks a decision later.

use super::table::TableModel;
use aws::items::{self, Item, MenuHead};
use domain::booking::{Booking, BookingKind, BookingOutcome};
use domain::command::Kind;
use domain::employee::{BadgeStatus, Employee};
use domain::id::{ConcessionaireId, EmployeeNumber, StationId, TenantId, UserName};
use domain::menu::{Meal, Meals, MenuVersion};
use domain::money::Money;
use domain::role::{Role, Status, User};
use domain::tenant::{BusinessDay, Station, Tenant, TenantStatus};
use domain::wallet::Wallet;
use jiff::Timestamp;
use std::collections::BTreeMap;

pub const MEALS: [&str; 4] = ["SOUP", "RICE", "TEA", "CAKE"];
const STALLS: [&str; 2] = ["bar", "kitchen"];
const DISCOUNTS: [i64; 4] = [0, 0, 1_000, 333];

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

    /// Every value that was true at some instant of the span, its ends included.
    pub fn within(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = &T> {
        let until = |index: usize| self.0.get(index + 1).map_or(i64::MAX, |(next_ms, _)| *next_ms);
        let entries = self.0.iter().enumerate();
        entries
            .filter(move |(index, (at_ms, _))| *at_ms <= to_ms && until(*index) >= from_ms)
            .map(|(_, (_, value))| value)
    }
}

type Of<T> = (TenantId, T);

#[derive(Debug)]
pub struct Office {
    pub tenants: BTreeMap<TenantId, Timeline<Tenant>>,
    pub employees: BTreeMap<Of<EmployeeNumber>, Timeline<Employee>>,
    pub menus: BTreeMap<Of<ConcessionaireId>, Timeline<MenuHead>>,
    pub meals: BTreeMap<(TenantId, ConcessionaireId, u32), Meals>,
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

impl Office {
    /// Opens for business: one or two companies of two or three buyers and two stalls each.
    pub fn open(table: &TableModel, rng: &mut fastrand::Rng, now_ms: i64) -> (Self, Vec<Cashier>) {
        let mut office = Self {
            tenants: BTreeMap::new(),
            employees: BTreeMap::new(),
            menus: BTreeMap::new(),
            meals: BTreeMap::new(),
            bookings: 0,
        };
        let mut cashiers = Vec::new();
        for name in ["acme", "globex"].into_iter().take(rng.usize(1..=2)) {
            let tenant: TenantId = name.parse().unwrap();
            office.set_tenant(table, company(&tenant, rng), now_ms);
            for number in 1..=rng.u32(2..=3) {
                office.hire(table, &tenant, buyer(number, rng), now_ms);
            }
            for stall in STALLS {
                cashiers.push(office.furnish(table, &tenant, stall, rng, now_ms));
            }
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
        let station = Station { id, concessionaire: stall.clone(), status: Status::Active };
        table.put(&items::station(tenant, &station).unwrap());
        let user: UserName = format!("{tenant}-{stall}").parse().unwrap();
        let role = Role::Cashier { concessionaire_id: stall.clone() };
        table.put(&items::user(tenant, &User { name: user.clone(), status: Status::Active, role }).unwrap());
        let manager = Role::Manager { concessionaire_id: stall.clone() };
        for (suffix, role) in [("manager", manager), ("admin", Role::Admin)] {
            let name = format!("{user}-{suffix}").parse().unwrap();
            table.put(&items::user(tenant, &User { name, status: Status::Active, role }).unwrap());
        }
        let (tenant, station) = (tenant.clone(), station.id);
        self.print_menu(table, &tenant, &stall, rng, now_ms);
        Cashier { tenant, user, stall, station }
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
        table.put(&items::tenant(&tenant).unwrap());
        match self.tenants.get_mut(&tenant.id) {
            Some(timeline) => timeline.0.push((now_ms, tenant)),
            None => _ = self.tenants.insert(tenant.id.clone(), Timeline::new(now_ms, tenant)),
        }
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
        table.put(&items::employee(&of.0, &employee).unwrap());
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
        let version = self.menus.get(&of).map_or(1, |menu| menu.current().version.meals + 1);
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
        table.put(&items::menu_head(&of.0, &of.1, &head).unwrap());
        match self.menus.get_mut(&of) {
            Some(timeline) => timeline.0.push((now_ms, head)),
            None => _ = self.menus.insert(of, Timeline::new(now_ms, head)),
        }
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

pub fn sort_key(item: &Item) -> &str {
    item["SK"].as_s().expect("a sort key")
}

fn company(id: &TenantId, rng: &mut fastrand::Rng) -> Tenant {
    Tenant {
        id: id.clone(),
        name: id.to_string(),
        status: TenantStatus::Active,
        currency: "PHP".to_owned().try_into().unwrap(),
        business_day: BusinessDay::new("Asia/Manila", 0).unwrap(),
        overdraft_limit: Money::from_minor(if rng.u32(0..3) == 0 { 300 } else { 0 }),
        reached: Kind::ALL.into(),
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
