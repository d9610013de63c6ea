//! The pool of users of a simulation, as Cognito keeps it: names, whose they are, and whether they may sign
//! in.

use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Status and body of an answer.
type Reply = (u16, String);

#[derive(Debug, Default)]
pub struct Pool(BTreeMap<String, Member>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub tenant: String,
    pub is_enabled: bool,
}

impl Pool {
    pub fn add(&mut self, name: &str, tenant: &str) {
        self.0.insert(name.to_owned(), Member { tenant: tenant.to_owned(), is_enabled: true });
    }

    pub fn get(&self, name: &str) -> Option<&Member> {
        self.0.get(name)
    }

    pub fn members(&self) -> impl Iterator<Item = (&String, &Member)> {
        self.0.iter()
    }

    /// Carries out one operation.
    pub fn answer(&mut self, operation: &str, body: &str) -> Reply {
        let asked: Value = serde_json::from_str(body).unwrap();
        let name = asked["Username"].as_str().expect("a name");
        if operation == "AdminCreateUser" {
            if self.0.contains_key(name) {
                return refused("UsernameExistsException");
            }
            let attributes = asked["UserAttributes"].as_array().expect("attributes");
            let tenant = attributes.iter().find(|one| one["Name"] == aws::user_pool::TENANT_ATTRIBUTE);
            self.add(name, tenant.expect("a tenant")["Value"].as_str().expect("a tenant"));
            return (200, json!({ "User": { "Username": name } }).to_string());
        }
        let Some(member) = self.0.get_mut(name) else { return refused("UserNotFoundException") };
        match operation {
            "AdminGetUser" => {
                let attribute = json!({ "Name": aws::user_pool::TENANT_ATTRIBUTE, "Value": member.tenant });
                let found = json!({
                    "Username": name, "Enabled": member.is_enabled, "UserAttributes": [attribute],
                });
                return (200, found.to_string());
            }
            "AdminDeleteUser" => _ = self.0.remove(name),
            "AdminEnableUser" => member.is_enabled = true,
            "AdminDisableUser" => member.is_enabled = false,
            "AdminSetUserPassword" | "AdminUserGlobalSignOut" => {}
            other => panic!("{other} is no operation of ours"),
        }
        (200, "{}".to_owned())
    }
}

fn refused(kind: &str) -> Reply {
    (400, json!({ "__type": kind, "message": "refused by the simulation" }).to_string())
}
