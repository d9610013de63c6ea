//! A deployed stage, found by its name: the templates call everything `pos-<stage>`.

use aws::bus::{Bus, Names};
use aws::clock::Clock;
use aws::config::{self, Clients, Cloud, Config, ConfigError};
use aws::keys;
use aws::retry::Policy;
use aws::table::Table;
use aws_sdk_cognitoidentityprovider::Client as Cognito;
use aws_sdk_dynamodb::error::DisplayErrorContext;
use aws_sdk_dynamodb::types::TableDescription;
use local::users::{self, PoolIds, UsersError};
use thiserror::Error;

#[derive(Debug)]
pub struct Stage {
    pub clients: Clients,
    pub cognito: Cognito,
    pub pool: PoolIds,
    pub clock: Clock,
}

#[derive(Debug, Error)]
pub enum StageError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the table {name} cannot be used: {reason}")]
    Table { name: String, reason: String },
    #[error("the user pool cannot be seen")]
    Users(#[from] UsersError),
    #[error("there is no user pool {0}")]
    NoPool(String),
}

impl Stage {
    pub async fn find(stage: &str) -> Result<Self, StageError> {
        let cloud: Cloud = config::from_environment()?;
        let name = format!("pos-{stage}");
        // The account is in the table's ARN.
        let names =
            Names { region: cloud.region.clone(), account_id: String::new(), stage: stage.to_owned() };
        let mut config = Config { cloud, names, table_name: name.clone() };
        config.names.account_id = account(&Clients::new(config.clone()), &name).await?;
        let clients = Clients::new(config);
        let cognito = Cognito::new(clients.sdk());
        let pool = users::find(&cognito, &name).await?.ok_or(StageError::NoPool(name))?;
        Ok(Self { clients, cognito, pool, clock: Clock::system() })
    }

    pub fn table(&self) -> Table {
        self.clients.table(Policy::WORKER)
    }

    pub fn bus(&self) -> Bus {
        self.clients.bus(Policy::WORKER)
    }
}

/// The account that the table belongs to, if the table is one of this release.
async fn account(clients: &Clients, table: &str) -> Result<String, StageError> {
    let refused = |reason: String| StageError::Table { name: table.to_owned(), reason };
    let described = clients.dynamodb().describe_table().table_name(table).send().await;
    let described = described.map_err(|error| refused(DisplayErrorContext(error).to_string()))?;
    let described = described.table.unwrap_or_else(|| TableDescription::builder().build());
    let mut indexes = described.global_secondary_indexes().iter();
    if !indexes.any(|index| index.index_name() == Some(keys::INDEX)) {
        return Err(refused(format!("it has no index {}; it is another release's", keys::INDEX)));
    }
    let arn = described.table_arn.unwrap_or_default();
    let account = arn.split(':').nth(4).map(str::to_owned);
    account.ok_or_else(|| refused(format!("its ARN reads {arn:?}")))
}
