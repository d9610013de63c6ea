//! A settled checkout against what was ordered and what the menu says, worked out anew.

use domain::checkout::{Bill, SoldLine};
use domain::command::{Basket, OrderLine};
use domain::menu::Menu;
use domain::money::{BasisPoints, Money};

/// The same meals in the same quantities and order.
pub fn is_as_ordered(bill: &Bill, basket: &Basket) -> bool {
    let sold = bill.lines.iter().map(|line| (&line.code, line.qty));
    sold.eq(basket.lines().iter().map(|OrderLine { code, qty, .. }| (code, *qty)))
}

/// Every line as `menu` has it, and the discount taken once from their sum.
pub fn is_as_priced(bill: &Bill, menu: &Menu, discount: BasisPoints) -> bool {
    let is_on_menu = |line: &SoldLine| {
        menu.meal(&line.code).is_some_and(|meal| {
            (&meal.name, &meal.category, meal.price, meal.calories)
                == (&line.name, &line.category, line.price, line.calories)
        })
    };
    let gross = bill.lines.iter().try_fold(Money::ZERO, |sum, line| {
        let meal = menu.meal(&line.code)?;
        sum.checked_add(meal.price.times(line.qty))
    });
    bill.lines.iter().all(is_on_menu)
        && gross.is_some_and(|gross| gross == bill.total_gross() && bill.discount == discount.of(gross))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::menu::{Meal, MenuVersion};
    use std::sync::Arc;

    /// A bill of two teas at 100 and a bun at 55, less 10 %: 26 rounded from 25.5.
    fn bill() -> Bill {
        let line = |code: &str, price: i64, qty: i64| SoldLine {
            code: code.parse().unwrap(),
            name: code.to_owned(),
            category: "snacks".to_owned(),
            price: price.try_into().unwrap(),
            calories: None,
            qty: qty.try_into().unwrap(),
        };
        Bill {
            lines: vec![line("TEA", 100, 2), line("BUN", 55, 1)],
            discount: Money::from_minor(26),
            menu_version: MenuVersion { meals: 1, edit: 0 },
        }
    }

    #[track_caller]
    fn check(change: impl Fn(&mut Bill), as_ordered: bool, as_priced: bool) {
        let meal = |name: &str, price: i64| Meal {
            name: name.to_owned(),
            category: "snacks".to_owned(),
            price: price.try_into().unwrap(),
            calories: None,
        };
        let meals =
            [("TEA", 100), ("BUN", 55)].map(|(name, price)| (name.parse().unwrap(), meal(name, price)));
        let menu = Menu {
            version: bill().menu_version,
            base: Arc::new(meals.into()),
            edits: [].into(),
            sold_out: [].into(),
        };
        let order = |(code, qty): (&str, i64)| OrderLine {
            code: code.parse().unwrap(),
            qty: qty.try_into().unwrap(),
            price: None,
        };
        let basket = vec![order(("TEA", 2)), order(("BUN", 1))].try_into().unwrap();
        let mut bill = bill();
        change(&mut bill);
        assert_eq!(is_as_ordered(&bill, &basket), as_ordered);
        assert_eq!(is_as_priced(&bill, &menu, 1_000.try_into().unwrap()), as_priced);
    }

    #[test]
    fn what_was_sold_is_what_was_ordered_at_the_prices_of_the_menu() {
        check(|_| (), true, true);
        check(|bill| bill.discount = Money::from_minor(25), true, false);
        check(|bill| bill.lines[0].price = 101.try_into().unwrap(), true, false);
        check(|bill| bill.lines[1].name = "Cake".to_owned(), true, false);
        check(|bill| bill.lines[0].qty = 3.try_into().unwrap(), false, false);
        check(|bill| bill.lines[0].code = "PIE".parse().unwrap(), false, false);
        check(|bill| bill.lines.truncate(1), false, false);
    }
}
