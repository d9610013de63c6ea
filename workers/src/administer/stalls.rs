//! Concessionaires and their stations.

use super::decision::Decision;
use aws::failure::Failure;
use aws::stored::{put, take};
use aws::table::Table;
use aws::{items, keys};
use domain::admin::Rejection;
use domain::id::{ConcessionaireId, StationId, TenantId};
use domain::role::Status;
use domain::tenant::{Concessionaire, Station};
use domain::text::Name;
use jiff::Timestamp;
use serde_json::{Value, json};

pub async fn set_concessionaire(
    table: &Table,
    tenant: &TenantId,
    id: &ConcessionaireId,
    name: &Name,
) -> Result<Decision, Failure> {
    let key = keys::concessionaire(tenant, id);
    let mut found = table.read([key.clone()]).await?;
    let stored = take(&mut found, &key, items::listed_concessionaire)?;
    let concessionaire = Concessionaire { id: id.clone(), name: name.clone().into() };
    let snapshot = |concessionaire: &Concessionaire| json!({ "name": concessionaire.name });
    let before = stored.as_ref().map_or(Value::Null, |stored| snapshot(&stored.value));
    let writes = vec![put(items::concessionaire(tenant, &concessionaire)?, stored.as_ref())];
    Ok(Decision::applied(before, snapshot(&concessionaire), writes))
}

pub async fn set_station(
    table: &Table,
    tenant: &TenantId,
    id: &StationId,
    concessionaire: &ConcessionaireId,
    status: Status,
    now: Timestamp,
) -> Result<Decision, Failure> {
    let (key, owner) = (keys::station(tenant, id), keys::concessionaire(tenant, concessionaire));
    let mut found = table.read([key.clone(), owner.clone()]).await?;
    if found.take(&owner).is_none() {
        return Ok(Decision::rejected(Rejection::UnknownConcessionaire));
    }
    let stored = take(&mut found, &key, |item| items::stored_station(id, item))?;
    let snapshot =
        |station: &Station| json!({ "concessionaire_id": station.concessionaire, "status": station.status });
    let before = stored.as_ref().map_or(Value::Null, |stored| snapshot(&stored.value));
    let station = match &stored {
        Some(stored) => stored.value.clone().changed(concessionaire.clone(), status, now),
        None => Station { status, ..Station::new(id.clone(), concessionaire.clone()) },
    };
    let writes = vec![put(items::station(tenant, &station)?, stored.as_ref())];
    Ok(Decision::applied(before, snapshot(&station), writes))
}
