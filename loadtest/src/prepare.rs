//! Gives the demo tenant what a run needs, through the same AWS endpoints as everything else.
//!
//! The cashier's item is written last: where it stands, all the rest does.

use aws::failure::Failure;
use aws::items::{self, Item, MenuHead};
use aws::keys;
use aws::table::Table;
use aws_sdk_cognitoidentityprovider::Client as Cognito;
use domain::employee::Employee;
use domain::id::{ConcessionaireId, InvalidId, TenantId, UserName};
use domain::menu::{Meals, MenuVersion};
use domain::role::{Role, User};
use domain::tenant::{Concessionaire, Station};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use local::demo;
use local::seed::{self, SeedError};
use local::users::{self, PoolIds, UsersError};
use thiserror::Error;

/// Transactions under way at the same time.
const WRITERS: usize = 8;
pub const MENU: MenuVersion = MenuVersion { meals: 1, edit: 0 };

#[derive(Debug, Error)]
pub enum PrepareError {
    #[error("the cashier could not be made")]
    Users(#[from] UsersError),
    #[error("the table could not be read or written")]
    Table(#[from] Failure),
    #[error("an item could not be written")]
    Seed(#[from] SeedError),
    #[error("an id that was made is not valid")]
    Id(#[from] InvalidId),
}

/// A stall of a run's own, and who sells and buys there.
#[derive(Debug, Clone, Copy)]
pub struct Stall<'a> {
    pub tenant: &'a TenantId,
    pub concessionaire: &'a ConcessionaireId,
    pub stations: &'a [Station],
    pub cashier: &'a UserName,
    pub meals: &'a Meals,
    pub buyers: &'a [Employee],
}

/// Makes menu, stations, buyers and cashier, as far as they are not there.
pub async fn prepare(
    table: &Table,
    cognito: &Cognito,
    pool: &PoolIds,
    own: Stall<'_>,
    now: Timestamp,
) -> Result<(), PrepareError> {
    if table.read_one(&keys::user(own.tenant, own.cashier)).await?.is_some() {
        return Ok(());
    }
    users::ensure_user(cognito, pool, own.cashier.as_str(), demo::PASSWORD, own.tenant.as_str()).await?;
    seed::create(table, stall(own)?).await?;
    let by: UserName = "replay".parse()?;
    let buyers = own.buyers.iter().map(|buyer| seed::buyer(own.tenant, buyer, &by, now));
    let buyers: Vec<Vec<Item>> = buyers.collect::<Result<_, _>>()?;
    stream::iter(buyers)
        .map(|buyer| seed::create(table, buyer))
        .buffer_unordered(WRITERS)
        .try_collect::<()>()
        .await?;
    let role = Role::Cashier { concessionaire_id: own.concessionaire.clone() };
    let cashier = User::active(own.cashier.clone(), role);
    Ok(seed::create(table, vec![items::user(own.tenant, &cashier)?]).await?)
}

/// Menu, stations and vendor of a stall.
pub fn stall(own: Stall<'_>) -> Result<Vec<Item>, Failure> {
    let Stall { tenant, concessionaire, meals, stations, .. } = own;
    let meals = meals.iter().map(|(code, meal)| items::meal(tenant, concessionaire, MENU.meals, code, meal));
    let head = MenuHead { version: MENU, begun: MENU.meals, ..MenuHead::default() };
    let head = items::menu_head(tenant, concessionaire, &head);
    let vendor = Concessionaire { id: concessionaire.clone(), name: "Replay".to_owned() };
    let vendor = items::concessionaire(tenant, &vendor);
    let stations = stations.iter().map(|station| items::station(tenant, station));
    meals.chain([head, vendor]).chain(stations).collect()
}
