//! A menu from a file, as its manager sees it.

use serde_json::{Value, json};
use tests::target::Target;
use tests::terminal::{Answer, Terminal, next_query};
use uuid::Uuid;

/// A stall of one's own, and its manager.
struct Stall {
    imports: String,
    menu: String,
    manager: Terminal,
}

impl Stall {
    async fn found(target: &Target) -> Self {
        let admin = target.terminal("acme-admin").await;
        let id = format!("stall-{}", &Uuid::new_v4().simple().to_string()[..12]);
        let path = format!("/v1/concessionaires/{id}");
        let founded = admin.command("PUT", &path, &json!({ "name": "A stall" })).await;
        assert_eq!(founded.outcome(), "applied", "{founded:?}");
        let username = format!("acme.{id}");
        let user = json!({ "username": username, "role": "manager", "concessionaire_id": id });
        let hired = admin.command("POST", "/v1/users", &user).await;
        let password = hired.body["first_password"].as_str().unwrap_or_else(|| panic!("{hired:?}"));
        let manager = Terminal::first_sign_in(&target.endpoints, &username, password).await;
        Self { imports: format!("{path}/menu-imports"), menu: format!("{path}/menu"), manager }
    }

    async fn import(&self, options: &Value, file: &str) -> Answer {
        self.manager.import(&self.imports, options, file.as_bytes()).await
    }

    /// The menu's version, and code, name, price and calories of each meal.
    async fn menu(&self) -> (String, Vec<Value>) {
        let menu = self.manager.get(&self.menu, &[]).await.body;
        let meals = menu["meals"].as_array().expect("meals").iter();
        let meals = meals.map(|meal| json!([meal["code"], meal["name"], meal["price"], meal["calories"]]));
        (menu["menu_version"].as_str().expect("a version").to_owned(), meals.collect())
    }
}

const MENU: &str =
    "Item Code;Product;Price (PHP);kcal\r\nTEA;Black tea;40,00;0\r\n;Crème brûlée;95,5;310\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_menu_comes_from_a_file() {
    let target = Target::find().await;
    let stall = Stall::found(&target).await;
    let applied = stall.import(&json!({}), MENU).await;
    assert_eq!(applied.outcome(), "applied", "{applied:?}");
    let first = json!({ "menu_version": "1.0", "meals": 2, "kept": 0, "is_unchanged": false });
    assert_eq!(applied.body["effect"], first);
    let meals = [json!(["CREME-BRULEE", "Crème brûlée", 9_550, 310]), json!(["TEA", "Black tea", 4_000, 0])];
    assert_eq!(stall.menu().await, ("1.0".to_owned(), meals.to_vec()));

    // The same once more changes nothing.
    let again = stall.import(&json!({}), MENU).await;
    assert_eq!(again.body["effect"]["is_unchanged"], true, "{again:?}");
    assert_eq!(stall.menu().await.0, "1.0");

    // What a file does not name stays, or goes.
    let more = "code,name,price\nCAKE,Cheese cake,85\n";
    let merged = stall.import(&json!({ "mode": "merge" }), more).await;
    assert_eq!(merged.body["effect"]["kept"], 2, "{merged:?}");
    assert_eq!(stall.menu().await.1.len(), 3);
    let replaced = stall.import(&json!({}), more).await;
    assert_eq!(replaced.outcome(), "applied", "{replaced:?}");
    assert_eq!(stall.menu().await.1, [json!(["CAKE", "Cheese cake", 8_500, null])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bad_row_is_told_and_can_be_sent_again() {
    let target = Target::find().await;
    let stall = Stall::found(&target).await;
    let file = "code,name,price\nTEA,Tea,40\nTEA,Tea again,41\nCAKE,,8.5555\n=1+1,Sum,1\n";
    let refused = stall.import(&json!({}), file).await;
    assert_eq!(refused.outcome(), "refused", "{refused:?}");
    let refusal = json!({ "type": "bad-rows", "detail": "3 of 4 rows are wrong" });
    assert_eq!(refused.body["refusal"], refusal);
    assert_eq!(refused.body["rows"], json!({ "good": 1, "bad": 3, "listed": 3 }));
    let told = stall.manager.fetch(&refused.body["bad_rows_url"]).await;
    let expected = "\"code\",\"name\",\"price\",\"reason\"\n\
        \"TEA\",\"Tea again\",\"41\",\"line 3: \"\"TEA\"\" is the code of line 2 already\"\n\
        \"CAKE\",\"\",\"8.5555\",\"line 4: name is missing; price \"\"8.5555\"\" has more than 2 decimals\"\n\
        \"'=1+1\",\"Sum\",\"1\",\"line 5: code \"\"'=1+1\"\" begins like a formula\"\n";
    assert_eq!(told, expected);
    assert_eq!(stall.menu().await, ("0.0".to_owned(), vec![]));

    let lenient = stall.import(&json!({ "strictness": "lenient" }), file).await;
    assert_eq!((lenient.outcome(), &lenient.body["effect"]["meals"]), ("applied", &json!(1)), "{lenient:?}");
    let mended = told.replace("\"'=1+1\",", "SUM,").replace(",\"\",\"8.5555\"", ",Cake,8.50");
    let mended = mended.replace("\"TEA\",", "TEA-2,");
    // Alone it would let go whatever was good.
    let wiped = stall.import(&json!({}), &mended).await;
    assert_eq!(wiped.body["refusal"]["type"], "bad-options", "{wiped:?}");
    let merged = stall.import(&json!({ "mode": "merge" }), &mended).await;
    assert_eq!(merged.body["effect"]["kept"], 1, "{merged:?}");
    assert_eq!(stall.menu().await.1.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_for_a_file_is_asked_for_properly() {
    let target = Target::find().await;
    let stall = Stall::found(&target).await;
    let wrong = json!({ "bytes": 0, "mode": "add", "strictness": 1, "content_type": "image/png", "default_price": -1, "x": 1 });
    let refused = stall.manager.ask_to_import(Uuid::now_v7(), &stall.imports, &wrong).await;
    let mut named: Vec<_> =
        refused.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].clone()).collect();
    named.sort_by_key(Value::to_string);
    let expected = ["/bytes", "/content_type", "/default_price", "/mode", "/strictness", "/x"];
    assert_eq!((refused.status, named), (400, expected.map(|place| json!(place)).to_vec()), "{refused:?}");

    // Until the file is there, and for nobody else.
    let key = Uuid::now_v7();
    let asked = json!({ "bytes": MENU.len() });
    let awaited = stall.manager.ask_to_import(key, &stall.imports, &asked).await;
    assert_eq!((awaited.status, awaited.outcome()), (202, "awaiting_upload"), "{awaited:?}");
    let location = awaited.header("location").unwrap();
    let path = &location[location.find("/v1/").unwrap()..];
    assert_eq!(stall.manager.get(path, &[]).await.outcome(), "queued");
    let bare = format!("/v1/imports/{key}");
    assert_eq!(stall.manager.get(&bare, &[]).await.status, 404);

    // Asked again under the same key, it is the same import.
    let again = stall.manager.ask_to_import(key, &stall.imports, &asked).await;
    assert_eq!(again.status, 202, "{again:?}");
    assert_eq!(stall.manager.put(&again.body["upload"], MENU.as_bytes()).await, 200);
    assert_eq!(stall.manager.follow_import(&again).await.outcome(), "applied");
    let replayed = stall.manager.ask_to_import(key, &stall.imports, &asked).await;
    assert_eq!((replayed.status, replayed.outcome()), (200, "applied"), "{replayed:?}");
    assert_eq!(replayed.header("idempotent-replayed"), Some("true"));
    let other = json!({ "bytes": MENU.len(), "mode": "merge" });
    assert_eq!(stall.manager.ask_to_import(key, &stall.imports, &other).await.status, 422);

    // A manager sees their own stall's alone; an administrator all, in the audit, too.
    assert_eq!(target.terminal("acme-manager").await.get(&bare, &[]).await.status, 404);
    assert_eq!(target.terminal("globex-admin").await.get(&bare, &[]).await.status, 404);
    let admin = target.terminal("acme-admin").await;
    assert_eq!(admin.get(&bare, &[]).await.outcome(), "applied");
    let listed = admin.get("/v1/imports?limit=50", &[]).await.body;
    let ids: Vec<_> = listed["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert!(ids.contains(&json!(key)), "{listed}");
    for (user, sees_it) in [(&stall.manager, true), (&target.terminal("acme-manager").await, false)] {
        let listed = user.get("/v1/imports?limit=50", &[]).await.body;
        let of_it =
            listed["items"].as_array().unwrap().iter().filter(|item| item["id"] == json!(key)).count();
        assert_eq!(of_it, usize::from(sees_it), "{listed}");
    }
    let audit = admin.get("/v1/audit?limit=50", &[]).await.body;
    let audited = audit["items"].as_array().unwrap().iter().find(|line| line["id"] == json!(key)).unwrap();
    assert_eq!(
        (&audited["change"], &audited["before"]["menu_version"]),
        (&json!("import-menu"), &json!("0.0"))
    );
}

/// A body that is no JSON.
fn text(answer: &Answer) -> &str {
    answer.body.as_str().unwrap_or_default()
}

/// What is exported and imported again is the same menu.
#[tokio::test(flavor = "multi_thread")]
async fn a_menu_goes_out_and_comes_back() {
    let target = Target::find().await;
    let (from, to) = (Stall::found(&target).await, Stall::found(&target).await);
    let meals = [("TEA", "=Tea, \"black\"", 1), ("-2", "'Tis a cake", 85_00), ("CAFE", "Crème; brûlée", 0)];
    for (code, name, price) in meals {
        let meal = json!({ "name": name, "price": price, "category": "@home", "calories": 7 });
        let path = format!("{}/meals/{code}", from.menu.trim_end_matches("/menu"));
        let put = from.manager.command("PUT", &path, &meal).await;
        assert_eq!(put.outcome(), "applied", "{put:?}");
    }
    let exported = from.manager.get(&format!("{}.csv", from.menu), &[]).await;
    assert_eq!((exported.status, exported.header("content-type")), (200, Some("text/csv; charset=utf-8")));
    let etag = exported.header("etag").unwrap().to_owned();
    let again = from.manager.get(&format!("{}.csv", from.menu), &[("if-none-match", &etag)]).await;
    assert_eq!(again.status, 304);
    let applied = to.import(&json!({}), text(&exported)).await;
    assert_eq!(applied.outcome(), "applied", "{applied:?}");
    assert_eq!(to.menu().await.1, from.menu().await.1);
    let back = to.manager.get(&format!("{}.csv", to.menu), &[]).await;
    assert_eq!(text(&back), text(&exported));
}

const EMPLOYEES: &str = "/v1/employee-imports";

/// All lines of the roster, page by page, each under the header.
async fn exported(admin: &Terminal) -> Vec<String> {
    let (mut path, mut lines) = ("/v1/employees.csv?limit=100".to_owned(), Vec::new());
    loop {
        let page = admin.get(&path, &[]).await;
        let kind = page.header("content-type");
        assert_eq!((page.status, kind), (200, Some("text/csv; charset=utf-8")), "{page:?}");
        lines.extend(text(&page).lines().map(str::to_owned));
        let Some(query) = next_query(&page) else { return lines };
        path = format!("/v1/employees.csv{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_roster_comes_from_a_file() {
    let target = Target::find().await;
    let admin = target.terminal("acme-admin").await;
    let run = Uuid::new_v4().simple().to_string()[..12].to_uppercase();
    let file =
        |rows: &str| format!("Employee No,Full Name,Card,Credit Limit,Discount %\n{rows}").replace('~', &run);
    let first = file("A~,Ada Okafor,RA~,1500.50,10\nB~,Ben Sy,RB~,,\n");
    let import =
        async |file: String, options: Value| admin.import(EMPLOYEES, &options, file.as_bytes()).await;
    let created = import(first.clone(), json!({})).await;
    let effect = |created: u8, changed: u8, unchanged: u8| json!({ "created": created, "changed": changed, "unchanged": unchanged, "deactivated": 0 });
    assert_eq!(created.body["effect"], effect(2, 0, 0), "{created:?}");
    let ada = admin.get(&format!("/v1/employees/A{run}"), &[]).await.body;
    assert_eq!((&ada["name"], &ada["balance"]), (&json!("Ada Okafor"), &json!(0)), "{ada}");
    assert_eq!((&ada["credit_limit"], &ada["discount_basis_points"]), (&json!(150_050), &json!(1_000)));
    assert_eq!(ada["badges"], json!({ format!("RA{run}"): "active" }));
    let again = import(first, json!({})).await;
    assert_eq!(again.body["effect"], effect(0, 0, 2), "{again:?}");

    // What is exported and imported again changes nobody.
    let lines = exported(&admin).await;
    let header = &lines[0];
    let own: Vec<_> = lines.iter().filter(|line| line.contains(&run)).map(String::as_str).collect();
    let ada = format!("\"A{run}\",\"Ada Okafor\",\"RA{run}\",\"active\",\"1500.50\",\"10.00\",\"\"");
    let ben = format!("\"B{run}\",\"Ben Sy\",\"RB{run}\",\"active\",\"\",\"0.00\",\"\"");
    assert_eq!(own, [ada, ben]);
    let back = import(format!("{header}\n{}\n", own.join("\n")), json!({})).await;
    assert_eq!(back.body["effect"], effect(0, 0, 2), "{back:?}");

    // Another's badge is refused before anything is written, or left out.
    let second = file("A~,Ada O. Okafor,RA2~,,\nC~,Cem Aydin,RB~,,\n");
    let refused = import(second.clone(), json!({})).await;
    assert_eq!((refused.outcome(), &refused.body["rows"]["bad"]), ("refused", &json!(1)), "{refused:?}");
    let told = admin.fetch(&refused.body["bad_rows_url"]).await;
    assert!(told.contains(&format!("line 3: \"\"RB{run}\"\" is another employee's badge")), "{told}");
    assert_eq!(admin.get(&format!("/v1/employees/A{run}"), &[]).await.body["name"], "Ada Okafor");
    let lenient = import(second, json!({ "strictness": "lenient" })).await;
    assert_eq!(lenient.body["effect"], effect(0, 1, 0), "{lenient:?}");
    assert_eq!(lenient.body["rows"], json!({ "good": 1, "bad": 1, "listed": 1 }));
    let ada = admin.get(&format!("/v1/employees/A{run}"), &[]).await.body;
    let badges = json!({ format!("RA{run}"): "blocked", format!("RA2{run}"): "active" });
    assert_eq!((&ada["name"], &ada["badges"]), (&json!("Ada O. Okafor"), &badges));
    assert_eq!(admin.get(&format!("/v1/employees/C{run}"), &[]).await.status, 404);

    // Nobody lets a whole company go by a file that is too short.
    let short = import(file("A~,Ada O. Okafor,,,\n"), json!({ "mode": "replace" })).await;
    assert_eq!((short.outcome(), &short.body["refusal"]["type"]), ("refused", &json!("too-many-missing")));
}
