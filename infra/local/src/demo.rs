//! The demo: two companies, each with two stalls, two hundred employees and a user in each role.
//! Everything here is made up.

use domain::command::Kind;
use domain::employee::{BadgeStatus, Employee};
use domain::id::{ConcessionaireId, InvalidId, MealCode, StationId, TenantId, UserName};
use domain::menu::Meal;
use domain::money::{InvalidAmount, Money};
use domain::role::{Role, Status};
use domain::tenant::{BusinessDay, InvalidTenant, Station, Tenant, TenantStatus};

/// Every demo user signs in with this. It opens a loopback port and nothing else.
pub const PASSWORD: &str = "correct-horse-battery";
pub const EMPLOYEES: u32 = 200;
/// What each wallet starts with, in minor units.
pub const OPENING_CREDIT: Money = Money::from_minor(500_000);

/// A company of the demo.
#[derive(Debug)]
pub struct DemoTenant {
    pub tenant: Tenant,
    pub concessionaires: Vec<DemoConcessionaire>,
}

#[derive(Debug)]
pub struct DemoConcessionaire {
    pub id: ConcessionaireId,
    pub name: &'static str,
    pub stations: Vec<Station>,
    pub meals: Vec<(MealCode, Meal)>,
}

#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    #[error("an id of the demo is not valid")]
    Id(#[from] InvalidId),
    #[error("an amount of the demo is not valid")]
    Amount(#[from] InvalidAmount),
    #[error("a tenant of the demo is not valid")]
    Tenant(#[from] InvalidTenant),
}

/// Code, name, category, price in minor units, kilocalories.
type Row = (&'static str, &'static str, &'static str, i64, Option<i64>);

const KITCHEN: [Row; 12] = [
    ("LENTIL-SOUP", "Lentil soup", "soups", 5_500, Some(210)),
    ("CHICKEN-RICE", "Roast chicken with rice", "mains", 12_500, Some(640)),
    ("VEGGIE-CURRY", "Vegetable curry", "mains", 10_500, Some(520)),
    ("BEEF-STEW", "Beef stew", "mains", 14_000, Some(710)),
    ("GRILLED-FISH", "Grilled fish of the day", "mains", 15_500, Some(480)),
    ("TOFU-BOWL", "Tofu and noodle bowl", "mains", 9_800, Some(450)),
    ("GREEN-SALAD", "Green salad", "sides", 4_500, Some(90)),
    ("RICE", "Steamed rice", "sides", 2_000, Some(200)),
    ("FRUIT", "Seasonal fruit", "desserts", 3_500, Some(80)),
    ("RICE-PUDDING", "Rice pudding", "desserts", 4_000, Some(310)),
    ("ICED-TEA", "Iced tea", "drinks", 2_500, Some(70)),
    ("WATER", "Water", "drinks", 0, Some(0)),
];

const COFFEE_BAR: [Row; 10] = [
    ("COFFEE", "Filter coffee", "drinks", 4_500, Some(5)),
    ("ESPRESSO", "Espresso", "drinks", 5_000, Some(5)),
    ("LATTE", "Caffè latte", "drinks", 7_500, Some(190)),
    ("TEA", "Black tea", "drinks", 4_000, Some(0)),
    ("COCOA", "Hot chocolate", "drinks", 7_000, Some(280)),
    ("CROISSANT", "Croissant", "bakery", 6_000, Some(270)),
    ("MUFFIN", "Blueberry muffin", "bakery", 6_500, None),
    ("BAGEL", "Bagel with cream cheese", "bakery", 8_500, Some(360)),
    ("TOAST", "Cheese toast", "snacks", 7_000, Some(330)),
    ("GRANOLA", "Granola bar", "snacks", 3_500, Some(150)),
];

/// The two companies. The second keeps its books in another currency, zone and business day.
pub fn tenants() -> Result<Vec<DemoTenant>, DemoError> {
    Ok(vec![
        demo_tenant("acme", "Acme Manufacturing", "PHP", BusinessDay::new("Asia/Manila", 0)?)?,
        demo_tenant("globex", "Globex Logistics", "EUR", BusinessDay::new("Europe/Berlin", 4)?)?,
    ])
}

/// Tenants that have queues here: the two companies, and a place where the tour founds a third.
pub fn places() -> Result<Vec<TenantId>, DemoError> {
    ["acme", "globex", TOUR].into_iter().map(|id| Ok(id.parse()?)).collect()
}

/// The place that stays empty until somebody founds a company there.
pub const TOUR: &str = "initech";

fn demo_tenant(id: &str, name: &str, currency: &str, day: BusinessDay) -> Result<DemoTenant, DemoError> {
    let tenant = Tenant {
        id: id.parse()?,
        name: name.to_owned(),
        status: TenantStatus::Active,
        currency: currency.to_owned().try_into()?,
        business_day: day,
        overdraft_limit: Money::ZERO,
        reached: Kind::ALL.into(),
    };
    let concessionaires = vec![
        concessionaire("kitchen", "Kitchen", &KITCHEN)?,
        concessionaire("coffee-bar", "Coffee bar", &COFFEE_BAR)?,
    ];
    Ok(DemoTenant { tenant, concessionaires })
}

fn concessionaire(id: &str, name: &'static str, menu: &[Row]) -> Result<DemoConcessionaire, DemoError> {
    let concessionaire: ConcessionaireId = id.parse()?;
    let station = |number: u32| -> Result<Station, DemoError> {
        let id: StationId = format!("{id}-{number}").parse()?;
        Ok(Station::new(id, concessionaire.clone()))
    };
    let meal = |row: &Row| -> Result<_, DemoError> {
        let (code, name, category, price, calories) = *row;
        let calories = calories.map(TryInto::try_into).transpose()?;
        let meal =
            Meal { name: name.to_owned(), category: category.to_owned(), price: price.try_into()?, calories };
        Ok((code.parse()?, meal))
    };
    Ok(DemoConcessionaire {
        stations: vec![station(1)?, station(2)?],
        meals: menu.iter().map(meal).collect::<Result<_, _>>()?,
        id: concessionaire,
        name,
    })
}

const GIVEN_NAMES: [&str; 20] = [
    "Amara", "Bruno", "Chiara", "Dmitri", "Elena", "Farid", "Grace", "Hiro", "Ines", "Jonas", "Kamala",
    "Liam", "Mei", "Nadia", "Omar", "Paula", "Quentin", "Rosa", "Sven", "Thandi",
];
const FAMILY_NAMES: [&str; 10] =
    ["Abara", "Bergström", "Cruz", "Dufour", "Eriksen", "Fontaine", "Garcia", "Haddad", "Ivanova", "Jensen"];

/// Employee `index` of a tenant: number `100000 + index`, badge `RF` and the number; one in ten has
/// a discount of 10 %.
pub fn employee(index: u32) -> Result<Employee, DemoError> {
    let number = 100_000 + index;
    let given = GIVEN_NAMES[index as usize % GIVEN_NAMES.len()];
    let family = FAMILY_NAMES[index as usize / GIVEN_NAMES.len() % FAMILY_NAMES.len()];
    let discount = if index.is_multiple_of(10) { 1_000 } else { 0 };
    Ok(Employee {
        number: number.to_string().parse()?,
        name: format!("{given} {family}"),
        status: Status::Active,
        discount: discount.try_into()?,
        limit: Some(OPENING_CREDIT),
        badges: [(format!("RF{number}").parse()?, BadgeStatus::Active)].into(),
        image_url: None,
        changed_at: None,
    })
}

/// A user in each role, named after tenant and role.
pub fn users(tenant: &TenantId) -> Result<Vec<(UserName, Role)>, DemoError> {
    let concessionaire_id: ConcessionaireId = "coffee-bar".parse()?;
    let roles = [
        ("platform", Role::Platform),
        ("admin", Role::Admin),
        ("manager", Role::Manager { concessionaire_id: concessionaire_id.clone() }),
        ("cashier", Role::Cashier { concessionaire_id }),
        ("kitchen-cashier", Role::Cashier { concessionaire_id: "kitchen".parse()? }),
        ("employee", Role::Employee { employee_number: employee(1)?.number }),
    ];
    roles.into_iter().map(|(role, scope)| Ok((format!("{tenant}-{role}").parse()?, scope))).collect()
}
