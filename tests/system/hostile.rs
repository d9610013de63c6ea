//! Hostile callers who come with more than HTTP: pools of their own, and ids that only one tenant has.

use aws::items;
use aws::keys;
use aws::retry::Policy;
use aws_sdk_cognitoidentityprovider::types::AuthFlowType;
use domain::id::{ConcessionaireId, TenantId};
use domain::tenant::{Concessionaire, Station};
use local::{demo, seed, users};
use tests::World;
use tests::routes::{ACMES, NOBODYS, gist, open_no_route, rows};

/// Tokens of the same user that are signed well, and meant for another app or issued by another pool. What
/// altered tokens open is in `blackbox`; expired ones and other signing keys are tried on the gateway alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_for_somebody_else_opens_no_route() {
    let world = World::start().await;
    let cashier = world.terminal("acme-cashier").await;
    let cognito = aws_sdk_cognitoidentityprovider::Client::new(world.system.clients.sdk());
    let elsewhere = users::ensure_pool(&cognito, "elsewhere").await.unwrap();
    users::ensure_user(&cognito, &elsewhere, "acme-cashier", demo::PASSWORD, "acme").await.unwrap();
    let second_client = cognito
        .create_user_pool_client()
        .user_pool_id(&world.system.endpoints.user_pool_id)
        .client_name("another app")
        .explicit_auth_flows("ALLOW_USER_PASSWORD_AUTH".into())
        .send()
        .await
        .unwrap();
    let second_client = second_client.user_pool_client().unwrap().client_id().unwrap().to_owned();
    let foreign = [
        ("another audience", id_token(&cognito, &second_client).await),
        ("another issuer", id_token(&cognito, &elsewhere.client_id).await),
    ];
    for (forgery, token) in foreign {
        open_no_route(&cashier.with_token(&token), forgery).await;
    }
}

/// The id token of Acme's cashier through an app client.
async fn id_token(cognito: &aws_sdk_cognitoidentityprovider::Client, client_id: &str) -> String {
    let answer = cognito
        .initiate_auth()
        .client_id(client_id)
        .auth_flow(AuthFlowType::UserPasswordAuth)
        .auth_parameters("USERNAME", "acme-cashier")
        .auth_parameters("PASSWORD", demo::PASSWORD)
        .send()
        .await
        .unwrap();
    answer.authentication_result().unwrap().id_token().unwrap().to_owned()
}

/// Whatever is another tenant's is answered as if it were nobody's, to the letter.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_anothers_is_nobodys() {
    let world = World::start().await;
    let acme: TenantId = "acme".parse().unwrap();
    let table = world.system.clients.table(Policy::WORKER);
    let mut somebody = demo::employee(1).unwrap();
    somebody.number = ACMES.number.parse().unwrap();
    somebody.badges = [(ACMES.badge.parse().unwrap(), domain::employee::BadgeStatus::Active)].into();
    let mut created =
        seed::buyer(&acme, &somebody, &"test".parse().unwrap(), jiff::Timestamp::UNIX_EPOCH).unwrap();
    let concessionaire: ConcessionaireId = ACMES.stall.parse().unwrap();
    let vendor = Concessionaire { id: concessionaire.clone(), name: "Grill".to_owned() };
    created.push(items::concessionaire(&acme, &vendor).unwrap());
    let station = Station::new(ACMES.station.parse().unwrap(), concessionaire);
    created.push(items::station(&acme, &station).unwrap());
    let head = table.read([keys::menu(&acme, &"coffee-bar".parse().unwrap())]).await.unwrap();
    let head =
        items::stored_menu_head({ head }.take(&keys::menu(&acme, &"coffee-bar".parse().unwrap())).unwrap());
    created.push(items::menu_head(&acme, &station.concessionaire, &head.unwrap()).unwrap());
    seed::create(&table, created).await.unwrap();

    // There it is, for Acme.
    let admin = world.terminal("acme-admin").await;
    for path in ["/v1/employees/777001", "/v1/concessionaires/acme-grill/menu"] {
        assert_eq!(admin.get(path, &[]).await.status, 200, "{path}");
    }
    for user in ["globex-admin", "globex-manager", "globex-cashier", "globex-employee"] {
        let stranger = world.terminal(user).await;
        for row in rows() {
            let acmes = row.call(&stranger, "globex", &ACMES).await;
            let nobodys = row.call(&stranger, "globex", &NOBODYS).await;
            let operation = row.operation;
            assert_eq!(gist(&acmes), gist(&nobodys), "{operation}, {user}");
            let told = acmes.body.to_string();
            for secret in ["Manufacturing", "PHP", "Grill"] {
                assert!(!told.contains(secret), "{operation}, {user}: {told}");
            }
        }
    }
}
