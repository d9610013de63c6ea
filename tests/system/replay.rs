//! Made-up sales, replayed and audited; and an audit that finds what was tampered with.

use aws::items::{self, Item, MenuHead};
use aws::keys::{INDEX_PK, PK, SK};
use domain::checkout::{Checkout, Outcome, Rejection};
use domain::id::CheckoutId;
use domain::menu::MenuVersion;
use domain::money::Money;
use domain::wallet::Wallet;
use loadtest::audit::{AccountError, Difference, Finding, Statement};
use loadtest::plan::Plan;
use loadtest::replay::Replay;
use loadtest::send::{Pace, Rate};
use loadtest::summary::Summary;
use tempfile::TempDir;
use tests::World;

const FIRST_DAY: jiff::civil::Date = jiff::civil::date(2026, 3, 2);

const SALES: &str = "\
Date,Time,Transaction,Item
2026-03-02,08:01:10,1,Porridge
2026-03-02,08:03:00,2,NONE
2026-03-02,08:04:41,3,Flat white
2026-03-02,08:04:41,3,Flat white
2026-03-02,08:04:41,3,\"Toast, buttered\"
2026-03-02,08:09:30,4,Flat white
2026-03-02,08:09:30,4,NONE
2026-03-03,12:00:02,5,Porridge
2026-03-03,12:01:00,6,flat white
2026-03-03,12:02:15,7,\"Toast, buttered\"
2026-03-03,12:02:15,7,Porridge
2026-03-03,12:02:20,8,Flat white
";

/// A running system, and a file of sales beside its endpoints.
struct Bakery {
    world: World,
    dir: TempDir,
}

impl Bakery {
    async fn open() -> Self {
        let (world, dir) = (World::start().await, TempDir::new().unwrap());
        let endpoints = serde_json::to_vec(&world.system.endpoints).unwrap();
        std::fs::write(dir.path().join("endpoints.json"), endpoints).unwrap();
        std::fs::write(dir.path().join("sales.csv"), SALES).unwrap();
        Self { world, dir }
    }

    fn replay(&self, day: Option<jiff::civil::Date>) -> Replay {
        let (endpoints, file) = (self.dir.path().join("endpoints.json"), self.dir.path().join("sales.csv"));
        Replay::begin(&endpoints, &file, day, aws::clock::Clock::system().now()).unwrap()
    }

    async fn sell(&self, day: Option<jiff::civil::Date>, rate: &str) -> Summary {
        let pace = Pace { rate: rate.parse::<Rate>().unwrap(), terminals: 4.try_into().unwrap() };
        let summary = self.replay(day).run(pace, aws::clock::Clock::system().now()).await.unwrap();
        self.world.settle().await;
        summary
    }

    /// Writes behind everybody's back.
    async fn put(&self, item: Item) {
        let put = self.world.system.clients.dynamodb().put_item().set_item(Some(item));
        put.table_name(&self.world.system.clients.config().table_name).send().await.unwrap();
    }

    async fn delete(&self, item: &Item) {
        let key = [PK, SK].map(|name| (name.to_owned(), item[name].clone()));
        let delete = self.world.system.clients.dynamodb().delete_item().set_key(Some(key.into()));
        delete.table_name(&self.world.system.clients.config().table_name).send().await.unwrap();
    }
}

fn outcomes(summary: &Summary) -> (usize, usize, usize, Vec<(&str, usize)>) {
    let rejected = summary.audited.tally.rejected.iter().map(|(reason, count)| (reason.as_str(), *count));
    let replayed = summary.sent.as_ref().unwrap().replayed;
    (summary.audited.tally.settled, summary.skipped, replayed, rejected.collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sold_once_however_often_it_is_replayed() {
    let bakery = Bakery::open().await;
    let first_day = bakery.sell(Some(FIRST_DAY), "max").await;
    assert!(first_day.is_clean(), "{first_day}");
    assert_eq!(outcomes(&first_day), (3, 1, 0, vec![]));

    // Somebody finds the last porridge gone: what it rejects is an outcome like any other.
    let plan = bakery.replay(None).plan().clone();
    let sold_out = [("PORRIDGE".parse().unwrap(), None)].into();
    let version = MenuVersion { meals: 1, edit: 1 };
    let head = MenuHead { version, sold_out, begun: 1, ..MenuHead::default() };
    bakery.put(items::menu_head(&plan.tenant, &plan.concessionaire, &head).unwrap()).await;

    let all = bakery.sell(None, "200").await;
    assert!(all.is_clean(), "{all}");
    assert_eq!(outcomes(&all), (5, 1, 3, vec![("sold-out", 2)]));
    let again = bakery.sell(None, "max").await;
    assert!(again.is_clean(), "{again}");
    assert_eq!(outcomes(&again), (5, 1, 7, vec![("sold-out", 2)]));
    assert_eq!(again.audited.movements, all.audited.movements);
    assert_eq!(again.audited.movements, plan.buyers.len() + 5);
}

/// A settled checkout of two flat whites and a toast, to a buyer of nothing else.
async fn a_checkout(bakery: &Bakery, plan: &Plan) -> (Checkout, Statement) {
    let sale = plan.checkouts.iter().find(|checkout| checkout.transaction == "3").unwrap();
    let statement =
        Statement::read(bakery.world.system.app.table(), &plan.tenant, &sale.buyer).await.unwrap();
    let stored = statement.account.recent.iter().find(|checkout| checkout.id == sale.id).unwrap();
    (stored.clone(), statement)
}

fn item(checkout: &Checkout) -> Item {
    items::checkout(checkout).unwrap()
}

/// The same checkout, changed.
fn changed(checkout: &Checkout, change: impl Fn(&mut Checkout)) -> Item {
    let mut changed = checkout.clone();
    change(&mut changed);
    item(&changed)
}

fn bill(checkout: &mut Checkout) -> &mut domain::checkout::Bill {
    match &mut checkout.outcome {
        Outcome::Settled { bill, .. } => bill,
        Outcome::Rejected(_) | Outcome::Withdrawn => panic!("nothing was sold"),
    }
}

/// What an audit must find of a change.
type Expected = fn(&Finding) -> bool;

/// Each as the item that somebody wrote, and what an audit must say to it.
fn tampered(checkout: &Checkout, statement: &Statement) -> Vec<(Item, Expected)> {
    let Wallet { balance, version } = statement.account.wallet;
    let dearer = Wallet { balance: Money::from_minor(balance.minor() + 1), version };
    let other_id: CheckoutId = "01900000-0000-7000-8000-000000000000".parse().unwrap();
    let expired = Outcome::Rejected(Rejection::Expired);
    let mut misplaced = item(checkout);
    let foreign = changed(checkout, |checkout| checkout.tenant = "globex".parse().unwrap());
    misplaced.insert(INDEX_PK.to_owned(), foreign[INDEX_PK].clone());
    vec![
        (items::wallet(&checkout.tenant, &checkout.employee, dearer).unwrap(), |finding| {
            matches!(finding, Finding::Ledger(_))
        }),
        (changed(checkout, |checkout| bill(checkout).lines[0].price = 1.try_into().unwrap()), |finding| {
            matches!(finding, Finding::OtherPrices { .. })
        }),
        (changed(checkout, |checkout| bill(checkout).lines[0].qty = 9.try_into().unwrap()), |finding| {
            matches!(finding, Finding::OtherItems(_))
        }),
        (changed(checkout, |checkout| checkout.station = Some("kitchen-1".parse().unwrap())), |finding| {
            matches!(finding, Finding::OtherRequest(_))
        }),
        (changed(checkout, |checkout| checkout.outcome = expired.clone()), |finding| {
            matches!(finding, Finding::Ledger(_))
        }),
        (
            changed(checkout, |checkout| {
                checkout.id = other_id;
                checkout.outcome = expired.clone();
            }),
            |finding| matches!(finding, Finding::Unexpected(_)),
        ),
        (misplaced, |finding| matches!(finding, Finding::Unreadable(AccountError::Misplaced))),
        (foreign, |finding| matches!(finding, Finding::Crossed { items: 1, .. })),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_audit_finds_what_was_tampered_with() {
    let bakery = Bakery::open().await;
    let clean = bakery.sell(None, "max").await;
    assert!(clean.is_clean(), "{clean}");
    let replay = bakery.replay(None);
    let (checkout, statement) = a_checkout(&bakery, replay.plan()).await;
    let wallet = items::wallet(&checkout.tenant, &checkout.employee, statement.account.wallet).unwrap();
    let findings = async || replay.audit().await.unwrap().audited.differences;

    for (number, (written, expected)) in tampered(&checkout, &statement).into_iter().enumerate() {
        bakery.put(written.clone()).await;
        let found = findings().await;
        assert!(names(&found, expected), "{number}: {found:?}");
        assert!(found.iter().all(|difference| difference.employee.as_ref() == Some(&checkout.employee)));
        bakery.delete(&written).await;
        for undone in [item(&checkout), wallet.clone()] {
            bakery.put(undone).await;
        }
    }
    let found = findings().await;
    assert!(found.is_empty(), "undone: {found:?}");

    bakery.delete(&item(&checkout)).await;
    let found = findings().await;
    assert!(names(&found, |finding| matches!(finding, Finding::Missing { .. })), "{found:?}");
    assert!(names(&found, |finding| matches!(finding, Finding::Ledger(_))), "{found:?}");
    bakery.delete(&wallet).await;
    let found = findings().await;
    let is_without_wallet = |finding: &_| matches!(finding, Finding::Unreadable(AccountError::NoWallet));
    assert!(names(&found, is_without_wallet), "{found:?}");
}

fn names(found: &[Difference], expected: Expected) -> bool {
    found.iter().any(|difference| expected(&difference.finding))
}
