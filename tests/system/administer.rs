//! The worker that administers, between table and pool of users, when it dies there.

use aws::clock::Clock;
use aws::config::Clients;
use aws::items;
use aws::keys;
use aws::telemetry::Metrics;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use domain::admin::{Administer, Change, ReceiptOutcome, Rejection};
use domain::command::{Command, Message};
use domain::id::{CommandId, TenantId, UserName};
use domain::request::RequestHash;
use domain::role::{Role, Status, User};
use jiff::SignedDuration;
use loadtest::terminal::initiate_auth;
use tests::World;
use tests::faults::{self, Fault};
use uuid::Uuid;
use workers::administer::AdministerWorker;
use workers::lambda::Worker;

/// More calls than any command makes.
const CALLS_MAX: u32 = 30;

/// What a worker does when it dies with a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    Before,
    After,
}

struct Office {
    world: World,
    cognito: aws_sdk_cognitoidentityprovider::Client,
    acme: TenantId,
}

impl Office {
    async fn open() -> Self {
        let world = World::idle().await;
        let cognito = aws_sdk_cognitoidentityprovider::Client::new(world.system.clients.sdk());
        Self { world, cognito, acme: "acme".parse().unwrap() }
    }

    fn command(&self, change: Change) -> Administer {
        let accepted_at = Clock::system().now();
        Administer {
            tenant: self.acme.clone(),
            id: CommandId::try_from(Uuid::now_v7()).unwrap(),
            request: RequestHash::from_bytes([1; 32]),
            caller: "acme-admin".parse().unwrap(),
            change,
            accepted_at,
            expires_at: accepted_at + SignedDuration::from_mins(5),
        }
    }

    /// Gives a command to a worker that dies with one of its calls; false if it makes fewer.
    async fn dies_with(&self, command: &Administer, call: u32, death: Death) -> bool {
        let fault = if death == Death::Before { Fault::Hang } else { Fault::Freeze };
        let make = |clients: &_| self.worker(clients, Clock::system());
        let config = self.world.system.clients.config();
        let died = faults::until_death(config, call, fault, event(&[command]), make).await;
        let Some(response) = died else { return true };
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
        false
    }

    fn worker(&self, clients: &Clients, clock: Clock) -> AdministerWorker {
        let config = self.world.system.workers.administer.clone();
        AdministerWorker::new(clients, config, clock.clone(), Metrics::to(clock, "test", |_| ()))
    }

    /// The message comes again, `later`, to a worker that lives.
    async fn redelivered(&self, command: &Administer, later: SignedDuration) {
        let system = Clock::system();
        let clock = Clock::from_fn(move || system.now() + later);
        let worker = self.worker(&self.world.system.clients, clock);
        let response: SqsBatchResponse = worker.handle(event(&[command])).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
    }

    async fn apply(&self, change: Change) -> ReceiptOutcome {
        let command = self.command(change);
        self.redelivered(&command, SignedDuration::ZERO).await;
        self.outcome(&command).await.expect("a receipt")
    }

    async fn outcome(&self, command: &Administer) -> Option<ReceiptOutcome> {
        let key = keys::receipt(&self.acme, command.id);
        let item = self.world.system.app.table().read_one(&key).await.unwrap()?;
        Some(items::stored_receipt(item).unwrap().outcome)
    }

    async fn stored(&self, name: &UserName) -> Option<User> {
        let item = self.world.system.app.table().read_one(&keys::user(&self.acme, name)).await.unwrap()?;
        Some(items::stored_user(name, item).unwrap())
    }

    /// Whether the pool lets a user in, if it has one of that name.
    async fn pooled(&self, name: &UserName) -> Option<bool> {
        let pool = &self.world.system.endpoints.user_pool_id;
        let found = self.cognito.admin_get_user().user_pool_id(pool).username(name.as_str()).send().await;
        found.ok().map(|user| user.enabled())
    }

    /// Table and pool say the same of a user.
    async fn check_step(&self, name: &UserName, when: &str) -> Option<User> {
        let (stored, pooled) = (self.stored(name).await, self.pooled(name).await);
        let expected = stored.as_ref().map(|user| user.status == Status::Active);
        assert_eq!(pooled, expected, "{when}: {stored:?}");
        stored
    }
}

fn event(commands: &[&Administer]) -> SqsEvent {
    let mut event = SqsEvent::default();
    for (index, command) in commands.iter().enumerate() {
        let mut record = SqsMessage::default();
        let message = Message::new(Command::Administer(Box::new((*command).clone())));
        record.message_id = Some(index.to_string());
        record.receipt_handle = Some("none".to_owned());
        record.body = Some(serde_json::to_string(&message).unwrap());
        record.event_source_arn =
            Some("arn:aws:sqs:eu-west-1:000000000000:pos-local-acme-admin.fifo".to_owned());
        let group = keys::admin_group(&command.tenant, &command.change.subject());
        record.attributes.insert("MessageGroupId".to_owned(), group);
        record.attributes.insert("ApproximateReceiveCount".to_owned(), "1".to_owned());
        event.records.push(record);
    }
    event
}

fn employee_role() -> Role {
    Role::Employee { employee_number: "100001".parse().unwrap() }
}

/// A change of a user that there is, and what it must have come to, if it came to anything.
struct Case {
    what: &'static str,
    is_there: bool,
    change: fn(UserName) -> Change,
    after: Option<Status>,
    signs_out: bool,
}

fn cases() -> Vec<Case> {
    vec![
        Case {
            what: "create",
            is_there: false,
            change: |name| Change::CreateUser { name, role: employee_role() },
            after: Some(Status::Active),
            signs_out: false,
        },
        Case {
            what: "create for nobody",
            is_there: false,
            change: |name| {
                let role = Role::Employee { employee_number: "999999".parse().unwrap() };
                Change::CreateUser { name, role }
            },
            after: None,
            signs_out: false,
        },
        Case {
            what: "disable",
            is_there: true,
            change: |name| Change::ChangeUser { name, role: None, status: Some(Status::Inactive) },
            after: Some(Status::Inactive),
            signs_out: true,
        },
        Case {
            what: "change the role",
            is_there: true,
            change: |name| Change::ChangeUser { name, role: Some(Role::Admin), status: None },
            after: Some(Status::Active),
            signs_out: false,
        },
        Case {
            what: "reset the password",
            is_there: true,
            change: |name| Change::ResetPassword { name },
            after: Some(Status::Active),
            signs_out: true,
        },
    ]
}

/// Whatever call a worker dies with, the message that comes again leaves table and pool in step: the change
/// made, or, once it is too late for it, as if nobody had asked.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_stands_the_same_in_table_and_pool_wherever_a_worker_dies() {
    let office = Office::open().await;
    let mut users = 0;
    for case in cases() {
        for death in [Death::Before, Death::After] {
            for (later, is_late) in [(SignedDuration::ZERO, false), (SignedDuration::from_mins(6), true)] {
                for call in 0..CALLS_MAX {
                    users += 1;
                    let name: UserName = format!("acme.user-{users}").parse().unwrap();
                    if case.is_there {
                        let made =
                            office.apply(Change::CreateUser { name: name.clone(), role: employee_role() });
                        assert!(matches!(made.await, ReceiptOutcome::Applied { .. }));
                    }
                    let command = office.command((case.change)(name.clone()));
                    let has_died = office.dies_with(&command, call, death).await;
                    let was_done = office.outcome(&command).await.is_some();
                    office.redelivered(&command, later).await;

                    let when = format!("{}, {death:?} call {call}, late: {is_late}", case.what);
                    let stored = office.check_step(&name, &when).await;
                    let outcome = office.outcome(&command).await.expect("a receipt");
                    let before = case.is_there.then_some(Status::Active);
                    let is_expired = outcome == ReceiptOutcome::Rejected(Rejection::Expired);
                    assert_eq!(is_expired, is_late && !was_done, "{when}");
                    let expected = if is_expired { before } else { case.after };
                    assert_eq!(stored.as_ref().map(|user| user.status), expected, "{when}");
                    let is_signed_out = stored.is_some_and(|user| user.signed_out_at.is_some());
                    assert_eq!(is_signed_out, case.signs_out && !is_expired, "{when}");
                    if !has_died {
                        break;
                    }
                    assert!(call + 1 < CALLS_MAX, "{when}");
                }
            }
        }
    }
}

/// A first password is good once it is on the receipt, and has to be changed.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_command_in_two_hands_makes_one_user() {
    let office = Office::open().await;
    let name: UserName = "acme.twin".parse().unwrap();
    let command = office.command(Change::CreateUser { name: name.clone(), role: employee_role() });
    tokio::join!(
        office.redelivered(&command, SignedDuration::ZERO),
        office.redelivered(&command, SignedDuration::ZERO),
    );
    assert!(office.check_step(&name, "twins").await.is_some());
    let key = &office.world.system.workers.administer.password_key;
    let password = aws::user_pool::first_password(key, &name, command.id);
    let http = reqwest::Client::new();
    let endpoints = &office.world.system.endpoints;
    let answer = initiate_auth(&http, endpoints, name.as_str(), &password).await.unwrap();
    assert_eq!(answer.body["ChallengeName"], "NEW_PASSWORD_REQUIRED", "{answer:?}");
}

/// A user of the pool who is somebody else's is never given to this tenant, nor taken away.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_another_tenant_is_not_taken_over() {
    let office = Office::open().await;
    let name: UserName = "globex-cashier".parse().unwrap();
    let created = office.apply(Change::CreateUser { name: name.clone(), role: employee_role() }).await;
    assert_eq!(created, ReceiptOutcome::Rejected(Rejection::UserNameTaken));
    assert_eq!((office.stored(&name).await, office.pooled(&name).await), (None, Some(true)));
    let reset = office.apply(Change::ResetPassword { name: name.clone() }).await;
    assert_eq!(reset, ReceiptOutcome::Rejected(Rejection::NotFound));
    office.world.terminal("globex-cashier").await;
}

/// What is the platform's is taken from nobody else, whoever could write to a tenant's queue.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_but_the_platform_acts_for_another_tenant() {
    let office = Office::open().await;
    let globex: TenantId = "globex".parse().unwrap();
    let name: UserName = "globex.eve".parse().unwrap();
    let appoint = Change::AppointAdmin { tenant_id: globex.clone(), name: name.clone() };
    assert_eq!(office.apply(appoint.clone()).await, ReceiptOutcome::Rejected(Rejection::NotFound));
    assert_eq!(office.pooled(&name).await, None);
    let command = Administer { caller: "acme-platform".parse().unwrap(), ..office.command(appoint) };
    office.redelivered(&command, SignedDuration::ZERO).await;
    assert!(matches!(office.outcome(&command).await, Some(ReceiptOutcome::Applied { .. })));
    assert_eq!(office.pooled(&name).await, Some(true));
}

/// Of two administrators who disable one another at the same time, one stays.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    let office = Office::open().await;
    for round in 0..20 {
        let name: UserName = format!("acme.admin-{round}").parse().unwrap();
        office.apply(Change::CreateUser { name: name.clone(), role: Role::Admin }).await;
        let last: UserName = "acme-admin".parse().unwrap();
        let disable = |name: &UserName| {
            office.command(Change::ChangeUser {
                name: name.clone(),
                role: None,
                status: Some(Status::Inactive),
            })
        };
        let (one, other) = (disable(&name), disable(&last));
        tokio::join!(
            office.redelivered(&one, SignedDuration::ZERO),
            office.redelivered(&other, SignedDuration::ZERO),
        );
        let outcomes = [office.outcome(&one).await.unwrap(), office.outcome(&other).await.unwrap()];
        let refused =
            outcomes.iter().filter(|outcome| **outcome == ReceiptOutcome::Rejected(Rejection::LastAdmin));
        assert_eq!(refused.count(), 1, "round {round}: {outcomes:?}");
        office.check_step(&name, "one").await;
        office.check_step(&last, "the other").await;
        for name in [name, last.clone()] {
            office.apply(Change::ChangeUser { name, role: None, status: Some(Status::Active) }).await;
        }
        let gone = Change::ChangeUser {
            name: format!("acme.admin-{round}").parse().unwrap(),
            role: Some(employee_role()),
            status: None,
        };
        assert!(matches!(office.apply(gone).await, ReceiptOutcome::Applied { .. }));
    }
}

/// Under one key somebody asks for a change of a stall and for one of a user. One of the two is what the key
/// stands for; whichever it is, table and pool say the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_for_two_subjects_leaves_the_pool_in_step() {
    let office = Office::open().await;
    for round in 0..10 {
        let name: UserName = format!("acme.twice-{round}").parse().unwrap();
        office.apply(Change::CreateUser { name: name.clone(), role: employee_role() }).await;
        let status = Some(Status::Inactive);
        let user = office.command(Change::ChangeUser { name: name.clone(), role: None, status });
        let stall = Change::SetConcessionaire {
            id: "annex".parse().unwrap(),
            name: format!("Annex {round}").try_into().unwrap(),
        };
        let stall = Administer { change: stall, request: RequestHash::from_bytes([2; 32]), ..user.clone() };
        let batch = if round % 2 == 0 { [&user, &stall] } else { [&stall, &user] };
        let response = office.world.system.workers.admin.handle(event(&batch)).await;
        assert!(response.batch_item_failures.is_empty(), "{response:?}");
        office.check_step(&name, &format!("round {round}")).await.expect("a user");
    }
}
