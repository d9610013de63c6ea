//! Who listens to what: a session is one connection of one user, until their token expires.
//!
//! Invariant: nobody is told of what they could not read, but that a receipt changed the menu that they sell
//! from. It is asked when they begin to listen, and again of each event, so that who was let go hears no
//! more.

use crate::event::{Event, EventKind};
use crate::id::{ConcessionaireId, EmployeeNumber, StationId, UserName};
use crate::role::{Caller, Role};
use std::fmt;

/// Whom an event is for; what one can listen to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Audience {
    /// What came of one user's commands.
    Commands(UserName),
    /// What is sold at a station.
    Station(StationId),
    /// What is sold by a concessionaire, and what changes there.
    Concessionaire(ConcessionaireId),
    /// What moves an employee's wallet.
    Wallet(EmployeeNumber),
    /// What happens to a tenant besides.
    Tenant,
}

impl Audience {
    /// What a client calls it: `commands`, `stations/<id>`, `concessionaires/<id>`, `wallets/<number>`,
    /// `tenant`.
    pub fn parse(text: &str, user: &UserName) -> Option<Self> {
        match (text, text.split_once('/')) {
            ("commands", _) => Some(Audience::Commands(user.clone())),
            ("tenant", _) => Some(Audience::Tenant),
            (_, Some(("stations", id))) => id.parse().ok().map(Audience::Station),
            (_, Some(("concessionaires", id))) => id.parse().ok().map(Audience::Concessionaire),
            (_, Some(("wallets", number))) => number.parse().ok().map(Audience::Wallet),
            _ => None,
        }
    }

    /// All whom an event is for.
    pub fn of(event: &Event) -> Vec<Self> {
        let about = &event.about;
        let mut audiences = Vec::new();
        audiences.extend(about.user.clone().map(Audience::Commands));
        audiences.extend(about.station.clone().map(Audience::Station));
        audiences.extend(about.concessionaire.clone().map(Audience::Concessionaire));
        match &about.employee {
            Some(employee) => audiences.push(Audience::Wallet(employee.clone())),
            None => audiences.push(Audience::Tenant),
        }
        audiences
    }

    /// Whether somebody may listen to it; `owner` runs the station, if it is one.
    pub fn admits(&self, caller: &Caller, owner: Option<&ConcessionaireId>) -> bool {
        match self {
            Audience::Commands(user) => *user == caller.user,
            Audience::Station(_) => owner.is_some_and(|owner| caller.sells_for(owner)),
            Audience::Concessionaire(id) => caller.sells_for(id),
            Audience::Wallet(number) => match &caller.role {
                Role::Admin => true,
                Role::Employee { employee_number } => employee_number == number,
                Role::Platform | Role::Manager { .. } | Role::Cashier { .. } => false,
            },
            Audience::Tenant => caller.role == Role::Admin,
        }
    }
}

/// As keys and clients have it; `commands` goes with its user in keys.
impl fmt::Display for Audience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Audience::Commands(user) => write!(f, "commands/{user}"),
            Audience::Station(id) => write!(f, "stations/{id}"),
            Audience::Concessionaire(id) => write!(f, "concessionaires/{id}"),
            Audience::Wallet(number) => write!(f, "wallets/{number}"),
            Audience::Tenant => f.write_str("tenant"),
        }
    }
}

/// Whether somebody could read what an event tells.
pub fn may_be_told(caller: &Caller, event: &Event) -> bool {
    let about = &event.about;
    let is_own_command = about.user.as_ref() == Some(&caller.user);
    caller.tenant == event.tenant
        && match &caller.role {
            Role::Admin => true,
            Role::Platform => is_own_command,
            Role::Manager { concessionaire_id } | Role::Cashier { concessionaire_id } => {
                // A sale of another stall is nobody's here, whoever undid it.
                let is_ours = match &about.concessionaire {
                    Some(concessionaire) => concessionaire == concessionaire_id,
                    None => is_own_command,
                };
                let is_manager = matches!(caller.role, Role::Manager { .. });
                match event.kind {
                    // What did not change is for who asked and for administrators.
                    EventKind::ChangeRejected => is_own_command,
                    EventKind::ImportApplied | EventKind::ImportRefused => is_ours && is_manager,
                    _ => is_ours,
                }
            }
            Role::Employee { employee_number } => about.employee.as_ref() == Some(employee_number),
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::About;
    use serde_json::Value;

    fn caller(role: Role) -> Caller {
        Caller { tenant: "acme".parse().unwrap(), user: "ann".parse().unwrap(), role }
    }

    fn roles() -> [Caller; 5] {
        let concessionaire_id: ConcessionaireId = "bar".parse().unwrap();
        [
            Role::Platform,
            Role::Admin,
            Role::Manager { concessionaire_id: concessionaire_id.clone() },
            Role::Cashier { concessionaire_id },
            Role::Employee { employee_number: "7".parse().unwrap() },
        ]
        .map(caller)
    }

    /// Platform, admin, manager, cashier, employee.
    #[track_caller]
    fn check(audience: &str, owner: Option<&str>, admitted: [bool; 5]) {
        let owner = owner.map(|owner| owner.parse().unwrap());
        let audience = Audience::parse(audience, &"ann".parse().unwrap()).unwrap();
        let admits = roles().map(|caller| audience.admits(&caller, owner.as_ref()));
        assert_eq!(admits, admitted, "{audience}");
    }

    #[test]
    fn each_role_listens_to_what_it_may_read() {
        check("commands", None, [true; 5]);
        check("tenant", None, [false, true, false, false, false]);
        check("concessionaires/bar", None, [false, true, true, true, false]);
        check("concessionaires/grill", None, [false, true, false, false, false]);
        check("stations/1", Some("bar"), [false, true, true, true, false]);
        check("stations/1", Some("grill"), [false, true, false, false, false]);
        check("stations/1", None, [false; 5]);
        check("wallets/7", None, [false, true, false, false, true]);
        check("wallets/8", None, [false, true, false, false, false]);
    }

    #[test]
    fn each_role_is_told_what_it_may_read() {
        #[track_caller]
        fn check(
            kind: EventKind,
            user: &str,
            employee: Option<&str>,
            concessionaire: Option<&str>,
            told: [bool; 5],
        ) {
            let event = Event {
                id: "1".to_owned(),
                kind,
                subject: String::new(),
                at: jiff::Timestamp::UNIX_EPOCH,
                tenant: "acme".parse().unwrap(),
                about: About {
                    user: Some(user.parse().unwrap()),
                    employee: employee.map(|number| number.parse().unwrap()),
                    concessionaire: concessionaire.map(|id| id.parse().unwrap()),
                    ..About::default()
                },
                data: Value::Null,
            };
            assert_eq!(roles().map(|caller| may_be_told(&caller, &event)), told, "{:?}", event.about);
            let foreign = Event { tenant: "globex".parse().unwrap(), ..event };
            assert_eq!(roles().map(|caller| may_be_told(&caller, &foreign)), [false; 5]);
        }
        use EventKind::{
            ChangeApplied, ChangeRejected, CheckoutSettled, ImportApplied, MenuSwitched, WalletGranted,
        };
        check(CheckoutSettled, "bob", Some("7"), Some("bar"), [false, true, true, true, true]);
        check(CheckoutSettled, "bob", Some("8"), Some("bar"), [false, true, true, true, false]);
        check(CheckoutSettled, "bob", Some("7"), Some("grill"), [false, true, false, false, true]);
        check(CheckoutSettled, "ann", Some("8"), Some("grill"), [true, true, false, false, false]);
        check(WalletGranted, "bob", Some("7"), None, [false, true, false, false, true]);
        check(ChangeApplied, "bob", None, None, [false, true, false, false, false]);
        check(ChangeApplied, "ann", None, None, [true, true, true, true, false]);
        check(ChangeApplied, "bob", None, Some("bar"), [false, true, true, true, false]);
        check(ChangeApplied, "bob", None, Some("grill"), [false, true, false, false, false]);
        check(ChangeRejected, "bob", None, Some("bar"), [false, true, false, false, false]);
        check(ChangeRejected, "ann", None, Some("bar"), [true, true, true, true, false]);
        check(ImportApplied, "bob", None, Some("bar"), [false, true, true, false, false]);
        check(MenuSwitched, "bob", None, Some("bar"), [false, true, true, true, false]);
    }

    #[test]
    fn what_nobody_can_listen_to_does_not_read() {
        for text in ["", "stations", "stations/", "stations/a/b", "wallets/#", "commands/bob", "tenants"] {
            let audience = Audience::parse(text, &"ann".parse().unwrap());
            assert_eq!(audience, None, "{text}");
        }
    }
}
