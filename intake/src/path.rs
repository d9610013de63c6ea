//! What paths name: parsed, and for the API's description.

use crate::problem::Problem;
use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

/// The ids in a path. One that cannot be an id is nobody's: `404`.
pub(crate) struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(ids)| Self(ids)).map_err(|_| Problem::NotFound)
    }
}

macro_rules! path {
    ($(#[$doc:meta])* $name:ident { $field:ident, $pattern:literal, $example:literal }) => {
        #[derive(Debug, Deserialize, IntoParams)]
        #[into_params(parameter_in = Path)]
        #[expect(dead_code, reason = "only its description is used")]
        pub(crate) struct $name {
            $(#[$doc])*
            #[param(pattern = $pattern, example = $example)]
            $field: String,
        }
    };
}

path!(
    /// A tenant.
    Tenant { id, "^[a-z0-9-]{2,32}$", "globex" }
);
path!(
    /// A user.
    User { name, r"^[A-Za-z0-9._@+-]{1,128}$", "acme-kitchen-cashier" }
);
path!(
    /// An employee's number.
    Employee { number, "^[A-Za-z0-9._-]{1,32}$", "100001" }
);
path!(
    /// A badge.
    Badge { rfid, "^[A-Za-z0-9._-]{4,64}$", "RF100001" }
);
path!(
    /// A checkout: the key that it was sent under.
    Checkout { id, "^[0-9a-f-]{36}$", "01900000-0000-7000-8000-000000000000" }
);
path!(
    /// A correction: the key that it was sent under. Or what a cutoff booked: `cutoff-` and its date.
    Booking { id, "^[A-Za-z0-9._-]{1,64}$", "01900000-0000-7000-8000-000000000000" }
);
path!(
    /// An admin command: the key that it was sent under.
    Receipt { id, "^[0-9a-f-]{36}$", "01900000-0000-7000-8000-000000000000" }
);
path!(
    /// A cutoff.
    Cutoff { date, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-03-15" }
);
path!(
    /// A look at all wallets: its business day.
    Reconciliation { date, "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", "2026-03-15" }
);
path!(
    /// A concessionaire.
    Concessionaire { id, "^[a-z0-9-]{1,32}$", "coffee-bar" }
);
path!(
    /// A station.
    Station { id, "^[A-Za-z0-9._-]{1,32}$", "coffee-bar-1" }
);
path!(
    /// A meal.
    Meal { code, "^[A-Za-z0-9._-]{1,32}$", "COFFEE" }
);
path!(
    /// A webhook: the key that it was made under.
    Webhook { id, "^[0-9a-f-]{36}$", "01900000-0000-7000-8000-000000000000" }
);
path!(
    /// A delivery, as it is listed.
    Delivery { delivery, r"^[0-9]{15}-[A-Za-z0-9._~-]{1,239}$", "001772434800000-cutoff-2026-03-15" }
);
path!(
    /// An import: the key that it was asked for under, or what a file that was put by other means got.
    Import { id, "^[0-9a-f-]{36}$", "01900000-0000-7000-8000-000000000000" }
);
