//! What a checkout costs in each step, without a service: `make bench`.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot be set up stops")]

use aws::bus::Names;
use aws::config::{Clients, Cloud, Config};
use aws::items;
use aws::menus::Menus;
use aws::retry::Policy;
use aws::table::Table;
use aws_credential_types::Credentials;
use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use axum::Router;
use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use domain::checkout::{self, Checkout};
use domain::command::{Basket, Command, OrderLine, PostCheckout, Purpose};
use domain::employee::Employee;
use domain::id::{CheckoutId, UserName};
use domain::menu::Menu;
use domain::request::{Buyer, RequestHash};
use domain::tenant::Tenant;
use domain::wallet::Wallet;
use http::HeaderMap;
use intake::order::Order;
use jiff::Timestamp;
use loadtest::prepare::{self, Stall};
use loadtest::rush::Rush;
use loadtest::rush::company::Company;
use local::inside::{self, Services};
use local::table::engine::Engine;
use local::{demo, provision, seed};
use std::sync::{Arc, LazyLock};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use uuid::Uuid;
use workers::fifo::{self, Group};
use workers::post_checkouts::plan::{self, Plan};
use workers::post_checkouts::state::{MENUS_BUDGET, State};
use workers::post_checkouts::work::Work;

const BATCH: usize = 10;
const TABLE: &str = "bench";

static LUNCH: LazyLock<Lunch> = LazyLock::new(Lunch::new);

fn main() {
    divan::main();
}

/// A company, in a table in memory.
struct Lunch {
    now: Timestamp,
    tenant: Tenant,
    company: Company,
    names: Names,
    table: Table,
    runtime: Runtime,
    _services: Arc<Services>,
}

impl Lunch {
    fn new() -> Self {
        let now = aws::clock::Clock::system().now();
        let rush = Rush::by_hand(200);
        let tenant = demo::tenants().unwrap().into_iter().next().unwrap().tenant;
        let company = Company::new(tenant.id.as_str(), 0, &rush, now).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let names = Names { region: "eu-west-1".into(), account_id: "0".into(), stage: "bench".into() };
        let services = Arc::new(Services {
            table: Engine::in_memory().unwrap().router(),
            table_threads: runtime.handle().clone(),
            others: Router::new(),
        });
        let cloud = Cloud {
            region: names.region.clone(),
            credentials: Credentials::new("bench", "bench", None, None, "bench"),
            endpoint_url: Some("http://inside.invalid".to_owned()),
            dynamodb_endpoint_url: None,
            app_name: None,
        };
        let config = Config { cloud, names: names.clone(), table_name: TABLE.to_owned() };
        let clients = Clients::over(config, inside::client(&services));
        let table = clients.table(Policy::WORKER);
        let lunch = Self { now, tenant, company, names, table, runtime, _services: services };
        lunch.runtime.block_on(provision::table(&clients.dynamodb(), TABLE)).unwrap();
        lunch.runtime.block_on(lunch.furnish());
        lunch
    }

    async fn furnish(&self) {
        let Self { tenant, company, now, .. } = self;
        let by: UserName = "bench".parse().unwrap();
        let mut all = vec![items::tenant(tenant).unwrap()];
        for buyer in &company.buyers {
            all.extend(seed::buyer(&tenant.id, buyer, &by, *now).unwrap());
        }
        let stall = Stall {
            tenant: &tenant.id,
            concessionaire: &company.concessionaire,
            stations: &company.stations,
            cashier: &company.cashier,
            meals: &company.menu.base,
            buyers: &company.buyers,
        };
        all.extend(prepare::stall(stall).unwrap());
        self.table.put_unnamed(&all).await.unwrap();
    }

    /// A sale of two meals to the buyer in this place, who has credit.
    fn command(&self, buyer: usize) -> PostCheckout {
        let Self { tenant, company, now, .. } = self;
        let lines = company.codes.iter().cycle().skip(buyer).take(2);
        let lines =
            lines.map(|code| OrderLine { code: code.clone(), qty: 1.try_into().unwrap(), price: None });
        let basket: Basket = lines.collect::<Vec<_>>().try_into().unwrap();
        let employee = &company.buyers[buyer + 1];
        let badge = employee.badges.keys().next().unwrap().clone();
        let station = company.stations[0].id.clone();
        let id: CheckoutId = Uuid::now_v7().try_into().unwrap();
        let by = Buyer::Badge(badge.clone());
        PostCheckout {
            tenant: tenant.id.clone(),
            id,
            request: RequestHash::of_checkout(&tenant.id, &company.cashier, id, &by, &station, &basket),
            caller: company.cashier.clone(),
            employee: employee.number.clone(),
            badge: Some(badge),
            station,
            concessionaire: company.concessionaire.clone(),
            basket,
            accepted_at: *now,
            expires_at: *now + jiff::SignedDuration::from_mins(5),
        }
    }

    fn state<'a>(&'a self, employee: &'a Employee, menu: &'a Menu) -> checkout::State<'a> {
        let wallet = Wallet { balance: employee.limit.unwrap_or_default(), version: 1 };
        checkout::State { tenant: &self.tenant, employee, wallet, menu: Some(menu), now: self.now }
    }

    fn decided(&self) -> Checkout {
        let company = &self.company;
        checkout::decide(&self.state(&company.buyers[1], &company.menu), &self.command(0))
    }

    /// Ten sales to ten buyers, as Lambda hands them over.
    fn batch(&self) -> Vec<Group> {
        let mut event = SqsEvent::default();
        event.records = (0..BATCH)
            .map(|buyer| {
                let command = self.command(buyer);
                let mut record = SqsMessage::default();
                record.message_id = Some(command.id.to_string());
                record.event_source_arn =
                    Some(self.names.queue_arn(&self.names.queue(&self.tenant.id, Purpose::Checkouts)));
                record.attributes = [
                    (
                        "MessageGroupId".to_owned(),
                        aws::keys::wallet_group(&command.tenant, &command.employee),
                    ),
                    ("ApproximateReceiveCount".to_owned(), "1".to_owned()),
                ]
                .into();
                record.body = Some(Command::PostCheckout(command).written().unwrap());
                record
            })
            .collect();
        fifo::groups(event).1
    }

    fn works<'a>(&self, groups: &'a [Group]) -> Vec<Work<'a>> {
        let queue_arn = self.names.queue_arn(&self.names.queue(&self.tenant.id, Purpose::Checkouts));
        groups.iter().map(|group| Work::read(group, &queue_arn, &self.names)).collect()
    }
}

/// Intake: a request's body and headers, into an order.
#[divan::bench]
fn parse_request(bencher: Bencher<'_, '_>) {
    let lunch = &*LUNCH;
    let command = lunch.command(0);
    let body = serde_json::json!({
        "rfid": command.badge,
        "station": command.station,
        "items": [{ "code": "MEAL-01", "qty": 1, "price": 12_500 }, { "code": "MEAL-02", "qty": 1 }],
    });
    let body = body.to_string();
    let mut headers = HeaderMap::new();
    headers.insert("content-type", "application/json".parse().unwrap());
    headers.insert("idempotency-key", command.id.to_string().parse().unwrap());
    bencher.bench_local(|| Order::parse(black_box(&headers), black_box(body.as_bytes()), lunch.now).unwrap());
}

/// Intake: a command, into a message.
#[divan::bench]
fn write_message(bencher: Bencher<'_, '_>) {
    let command = Command::PostCheckout(LUNCH.command(0));
    bencher.bench_local(|| black_box(&command).written().unwrap());
}

/// The worker: a batch of ten messages, into commands.
#[divan::bench]
fn read_batch(bencher: Bencher<'_, '_>) {
    let lunch = &*LUNCH;
    let groups = lunch.batch();
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| lunch.works(black_box(&groups)));
}

/// An order, priced.
#[divan::bench]
fn price(bencher: Bencher<'_, '_>) {
    let lunch = &*LUNCH;
    let (command, employee) = (lunch.command(0), &lunch.company.buyers[1]);
    let menu = Some(&lunch.company.menu);
    bencher.bench_local(|| {
        checkout::price(black_box(command.basket.lines()), menu, employee.discount, lunch.now).unwrap()
    });
}

/// A command, decided.
#[divan::bench]
fn decide(bencher: Bencher<'_, '_>) {
    let lunch = &*LUNCH;
    let (command, state) = (lunch.command(0), lunch.state(&lunch.company.buyers[1], &lunch.company.menu));
    bencher.bench_local(|| checkout::decide(black_box(&state), black_box(&command)));
}

/// A decided checkout, into its item.
#[divan::bench]
fn write_item(bencher: Bencher<'_, '_>) {
    let decided = LUNCH.decided();
    bencher.bench_local(|| items::checkout(black_box(&decided)).unwrap());
}

/// An item, into its checkout: what a replay and a look read.
#[divan::bench]
fn read_item(bencher: Bencher<'_, '_>) {
    let decided = LUNCH.decided();
    let item = items::checkout(&decided).unwrap();
    bencher.with_inputs(|| item.clone()).bench_local_values(|item| items::stored_checkout(item).unwrap());
}

/// The worker: ten commands on the state that was read for them, into transactions.
#[divan::bench]
fn plan_batch(bencher: Bencher<'_, '_>) {
    let lunch = &*LUNCH;
    let (groups, menus) = (lunch.batch(), Menus::default());
    let works = lunch.works(&groups);
    let state = || {
        lunch
            .runtime
            .block_on(State::read(&lunch.table, &menus, &works, Instant::now() + MENUS_BUDGET))
            .unwrap()
    };
    bencher.counter(ItemsCount::new(BATCH)).with_inputs(state).bench_local_values(|mut state| {
        let plans = works.iter().enumerate();
        let plans = plans.map(|(index, work)| Plan::make(index, work, &mut state, lunch.now).unwrap());
        let plans = plans.collect();
        assert_eq!(plan::transactions(plans, &works).len(), 1);
    });
}

/// The same with the read before it: the SDK's work, and that of a table in memory.
#[divan::bench]
fn read_and_plan_batch(bencher: Bencher<'_, '_>) {
    let lunch = &*LUNCH;
    let (groups, menus) = (lunch.batch(), Menus::default());
    let works = lunch.works(&groups);
    bencher.counter(ItemsCount::new(BATCH)).bench_local(|| {
        let mut state = lunch
            .runtime
            .block_on(State::read(&lunch.table, &menus, &works, Instant::now() + MENUS_BUDGET))
            .unwrap();
        let plans = works.iter().enumerate();
        plans.map(|(index, work)| Plan::make(index, work, &mut state, lunch.now).unwrap()).count()
    });
}
