//! A cursor opens the list that gave it out, behind the entry that it names, and no other list of anybody.

use crate::forge::{escaped, forge};
use crate::shop::{KEY, Shop};
use serde_json::Value;

/// Lists by tenant and role, of two entries and more, and then those that are empty here.
const LISTS: [(&str, &str, &str); 20] = [
    ("acme", "admin", "/v1/users?"),
    ("acme", "admin", "/v1/concessionaires?"),
    ("acme", "cashier", "/v1/stations?"),
    ("acme", "admin", "/v1/employees?"),
    ("acme", "admin", "/v1/employees?name=ama&"),
    ("acme", "admin", "/v1/reports/credit?from=2024-06-01T00:00:00Z&"),
    ("acme", "admin", "/v1/reports/credit?"),
    ("globex", "admin", "/v1/users?"),
    ("globex", "admin", "/v1/employees?"),
    ("globex", "admin", "/v1/reports/credit?"),
    ("acme", "admin", "/v1/cutoffs?"),
    ("acme", "admin", "/v1/imports?"),
    ("acme", "admin", "/v1/audit?"),
    ("acme", "platform", "/v1/audit?"),
    ("acme", "cashier", "/v1/checkouts?"),
    ("acme", "admin", "/v1/reports/takings?"),
    ("acme", "admin", "/v1/webhooks/{}/deliveries?"),
    ("acme", "admin", "/v1/employees.csv?"),
    ("acme", "admin", "/v1/corrections?"),
    ("acme", "admin", "/v1/reconciliations?"),
];
/// Of which there is a second page.
const LONG: usize = 10;

pub struct Lists {
    shop: Shop,
    /// What the first page of each long list gave out, and where its second begins.
    genuine: Vec<(String, Value)>,
}

impl Default for Lists {
    fn default() -> Self {
        let shop = Shop::default();
        let second_page = |list| {
            let answer = shop.page(list, None);
            let cursor = answer.body["next_cursor"].as_str().unwrap_or_else(|| panic!("{list:?} is long"));
            let start = shop.page(list, Some(cursor)).asked.starts.pop().expect("a page has a beginning");
            (cursor.to_owned(), start)
        };
        let genuine = LISTS[..LONG].iter().map(|list| second_page(*list)).collect();
        Self { shop, genuine }
    }
}

impl Shop {
    fn page(&self, (tenant, role, path): (&str, &str, &str), cursor: Option<&str>) -> crate::shop::Answer {
        let cursor = cursor.map_or(String::new(), |cursor| format!("&cursor={}", escaped(cursor)));
        let path = format!("{}limit=1{cursor}", path.replace("{}", KEY));
        self.ask(tenant, role, "GET", &path, vec![])
    }
}

impl Lists {
    /// Takes a cursor of one list to another, or the same, as it came or not.
    pub fn turn_a_page(&self, from: u8, to: u8, how: u8, with: &[u8]) {
        let (from, to) = (usize::from(from) % LONG, usize::from(to) % LISTS.len());
        let cursor = forge(&self.genuine[from].0, how, with);
        let answer = self.shop.page(LISTS[to], Some(&cursor));
        match self.genuine.get(to).filter(|(genuine, _)| *genuine == cursor) {
            Some((_, start)) => {
                assert_eq!(answer.status, 200);
                assert_eq!(answer.asked.starts, [start.clone()]);
            }
            None => {
                assert_eq!(answer.status, 400, "{cursor} of {} opens {}", LISTS[from].2, LISTS[to].2);
                assert_eq!(answer.errors()[0]["parameter"], "cursor");
                assert!(answer.asked.starts.is_empty());
            }
        }
    }
}
