//! Files against the real store, queue and table.

use aws::files::Dropped;
use aws_sdk_s3::primitives::ByteStream;
use domain::import::Target;
use serde_json::{Value, json};
use tests::terminal::{Terminal, coffee};
use tests::{World, eventually};
use uuid::Uuid;

const IMPORTS: &str = "/v1/concessionaires/coffee-bar/menu-imports";
const MENU: &str = "/v1/concessionaires/coffee-bar/menu";

/// A menu whose prices say which one it is.
fn menu(price: i64) -> String {
    let meals = (0..2_000).map(|meal| format!("MEAL-{meal},Meal {meal},{price}.00\n"));
    format!("code,name,price\nCOFFEE,Coffee,{price}.00\n{}", meals.collect::<String>())
}

async fn put(world: &World, key: &str, file: &str) {
    let names = &world.system.clients.config().names;
    let put = world.system.clients.s3().put_object().bucket(names.files()).key(key);
    put.content_type("text/csv").body(ByteStream::from(file.as_bytes().to_vec())).send().await.unwrap();
}

/// Every sale is priced by one version, which is named in it, whatever is switched meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_sells_from_half_a_menu() {
    let world = World::start().await;
    let (manager, cashier) = (world.terminal("acme-manager").await, world.terminal("acme-cashier").await);
    let importing = async {
        for price in 11..=16 {
            let applied = manager.import(IMPORTS, &json!({}), menu(price).as_bytes()).await;
            assert_eq!(applied.outcome(), "applied", "{applied:?}");
        }
    };
    let selling = async {
        let mut sold = Vec::new();
        loop {
            let badge = format!("RF{}", 100_001 + sold.len() % 200);
            let sale = cashier.buy(Uuid::now_v7(), &coffee(&badge, 1)).await;
            assert_eq!(sale.outcome(), "settled", "{sale:?}");
            let version = sale.body["menu_version"].as_str().unwrap().to_owned();
            sold.push((version, sale.body["total_gross"].as_i64().unwrap()));
            if sold.last().is_some_and(|(version, _)| version == "7.0") {
                return sold;
            }
        }
    };
    let ((), sold) = tokio::join!(importing, selling);
    for (version, price) in &sold {
        let meals: i64 = version.split('.').next().unwrap().parse().unwrap();
        let expected = if meals == 1 { 4_500 } else { (meals + 9) * 100 };
        assert_eq!(*price, expected, "{version}");
    }
    let menu = cashier.get(MENU, &[]).await.body;
    assert_eq!(menu["meals"].as_array().map(Vec::len), Some(2_001));
    world.settle().await;
}

/// A file that is put by other means is taken, once however often it is announced, and again if another takes its
/// place.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_dropped_is_taken() {
    let world = World::start().await;
    let manager = world.terminal("acme-manager").await;
    let key = "acme/menus/coffee-bar/nightly.csv";
    put(&world, key, "name,price\nTea,40\n").await;
    sells(&manager, "2.0", 1).await;
    put(&world, key, "name,price\nTea,40\n").await;
    put(&world, key, "name,price\nTea,40\nCake,80\n").await;
    sells(&manager, "3.0", 2).await;
    put(&world, key, "name,price\nTea,40\n").await;
    sells(&manager, "4.0", 1).await;
    let admin = world.terminal("acme-admin").await;
    let imports = admin.get("/v1/imports", &[]).await.body;
    let unchanged = |import: &&Value| import["effect"]["is_unchanged"] == true;
    assert!(imports["items"].as_array().unwrap().iter().filter(unchanged).count() <= 1, "{imports}");
    // What nobody has a rule for stays where it is.
    put(&world, "acme/elsewhere/menu.csv", "name,price\nTea,40\n").await;
    put(&world, "nobody/menus/coffee-bar/menu.csv", "name,price\nTea,40\n").await;
    world.settle().await;
    sells(&manager, "4.0", 1).await;
}

async fn sells(manager: &Terminal, version: &str, meals: usize) {
    eventually("the menu is switched", async || {
        let menu = manager.get(MENU, &[]).await.body;
        menu["menu_version"] == version && menu["meals"].as_array().map(Vec::len) == Some(meals)
    })
    .await;
}

/// Nothing of a file under another tenant's prefix comes through a tenant's queue.
#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_file_is_not_taken() {
    use domain::command::{Command, ImportFile, Message, Purpose};
    let world = World::start().await;
    let target = Target::Menu("coffee-bar".parse().unwrap());
    let foreign = Dropped { tenant: "globex".parse().unwrap(), target, name: "menu.csv".to_owned() };
    let acme = "acme".parse().unwrap();
    let (clients, sqs) = (&world.system.clients, world.system.clients.sqs());
    let names = &clients.config().names;
    let queue = |name: &str| aws::queue::queue_url(&names.queue_arn(name)).unwrap();
    for tenant in [&acme, &foreign.tenant] {
        let announced = ImportFile {
            tenant: (*tenant).clone(),
            key: foreign.key(),
            etag: "x".to_owned(),
            sequencer: Uuid::new_v4().to_string(),
        };
        let body = serde_json::to_string(&Message::new(Command::ImportFile(announced))).unwrap();
        let sent = sqs.send_message().queue_url(queue(&names.queue(&acme, Purpose::Imports)));
        let sent = sent.message_body(body).message_group_id("T#acme#IMPORT#menus");
        sent.message_deduplication_id(Uuid::new_v4().to_string()).send().await.unwrap();
    }
    let dead_letters = names.dead_letter_queue(&acme, Purpose::Imports);
    eventually("both are dead letters", async || {
        world.queues().await.iter().any(|(url, messages)| url.ends_with(&dead_letters) && *messages == 2)
    })
    .await;
}

/// Whoever is not in a roster that replaces is let go, and nobody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_roster_replaces_another() {
    let world = World::start().await;
    let admin = world.terminal("acme-admin").await;
    let rows = |from: u32| -> String {
        let rows = (from..200).map(|index| format!("{},Employee {index}\n", 100_000 + index));
        format!("number,name\n{}", rows.collect::<String>())
    };
    let replace = json!({ "mode": "replace", "max_missing_percent": 6 });
    let replaced = admin.import("/v1/employee-imports", &replace, rows(11).as_bytes()).await;
    assert_eq!(replaced.outcome(), "applied", "{replaced:?}");
    let effect = json!({ "created": 0, "changed": 189, "unchanged": 0, "deactivated": 11 });
    assert_eq!(replaced.body["effect"], effect);
    let again = admin.import("/v1/employee-imports", &replace, rows(11).as_bytes()).await;
    let effect = json!({ "created": 0, "changed": 0, "unchanged": 189, "deactivated": 0 });
    assert_eq!(again.body["effect"], effect, "{again:?}");
    let (gone, kept) = ("/v1/employees/100010", "/v1/employees/100011");
    assert_eq!(admin.get(gone, &[]).await.body["status"], "inactive");
    assert_eq!(admin.get(kept, &[]).await.body["status"], "active");
    let sale = world.terminal("acme-cashier").await.buy(Uuid::now_v7(), &coffee("RF100010", 1)).await;
    assert_eq!(sale.body["rejection"]["type"], "employee-inactive", "{sale:?}");
    world.settle().await;
}
