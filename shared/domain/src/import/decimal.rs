//! Decimal numbers as people write them, without a float.

/// Digits that a thousands separator stands before: `1,500` is a thousand and a half to some, and one and a
/// half to others.
const THOUSAND: usize = 3;

/// An amount in minor units: `4.5` and `4,50` of a currency with two decimals are 450.
pub fn minor_units(text: &str, digits: u32) -> Result<i64, String> {
    let (whole, fraction) = split(text)?;
    if fraction.len() == THOUSAND && digits != 3 {
        return Err("may have a thousands separator; write it without".to_owned());
    }
    let places = u32::try_from(fraction.len()).unwrap_or(u32::MAX);
    let significant = fraction.trim_end_matches('0').len();
    if significant > usize::try_from(digits).unwrap_or(usize::MAX) {
        return Err(format!("has more than {digits} decimals"));
    }
    let kept: String = fraction.chars().take(usize::try_from(digits).unwrap_or_default()).collect();
    let missing = digits.saturating_sub(places);
    let number = format!("{whole}{kept}{}", "0".repeat(usize::try_from(missing).unwrap_or_default()));
    number.parse().map_err(|_| "is too large".to_owned())
}

/// An amount of minor units as it is read: 450 of a currency with two decimals is `4.50`.
pub fn decimal(minor: u64, digits: u32) -> String {
    let width = usize::try_from(digits).unwrap_or_default();
    let text = format!("{minor:0>width$}", width = width + 1);
    match text.split_at_checked(text.len() - width) {
        Some((whole, fraction)) if digits > 0 => format!("{whole}.{fraction}"),
        _ => text,
    }
}

/// A whole number, from decimals rounded half up: nutrition tables write `45.0`.
pub fn rounded(text: &str) -> Result<i64, String> {
    let (whole, fraction) = split(text)?;
    if fraction.len() == THOUSAND && text.contains(',') {
        return Err("may have a thousands separator; write it without".to_owned());
    }
    let whole: i64 = whole.parse().map_err(|_| "is too large".to_owned())?;
    let rounds_up = fraction.starts_with(['5', '6', '7', '8', '9']);
    whole.checked_add(i64::from(rounds_up)).ok_or_else(|| "is too large".to_owned())
}

/// Digits before and behind the one separator, which may be a point or a comma.
fn split(text: &str) -> Result<(&str, &str), String> {
    if text.starts_with('-') {
        return Err("is negative".to_owned());
    }
    let (whole, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    let is_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits(whole) && is_digits(fraction) {
        Ok((whole, fraction))
    } else {
        Err("is no number like 1250 or 12.50, without signs and thousands separators".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(text: &str, digits: u32, expected: Option<i64>) {
        let read = minor_units(text, digits);
        assert_eq!(read.clone().ok(), expected, "{text}: {read:?}");
    }

    #[test]
    fn an_amount_is_read_by_its_currencys_digits() {
        check("4.50", 2, Some(450));
        check("4,5", 2, Some(450));
        check("4", 2, Some(400));
        check("0.05", 2, Some(5));
        check("1200", 0, Some(1_200));
        check("1200.00", 0, Some(1_200));
        check("1.234", 3, Some(1_234));
        check("007.10", 2, Some(710));
        for wrong in
            ["1.234", "1,234.50", "1.234,50", "", ".", ".5", "5.", "-1", "+1", "1e3", "4 50", "€4", "٤"]
        {
            check(wrong, 2, None);
        }
        for ambiguous in ["1,500", "1.500", "5,000"] {
            check(ambiguous, 2, None);
            check(ambiguous, 0, None);
        }
        check("99999999999999999999", 2, None);
        check("1200.50", 0, None);
    }

    #[test]
    fn calories_are_rounded_half_up() {
        for (text, expected) in [("45.0", 45), ("45.49", 45), ("45.5", 46), ("0", 0), ("3,7", 4)] {
            assert_eq!(rounded(text), Ok(expected), "{text}");
        }
        assert_eq!(rounded("45.125"), Ok(45));
        assert!(rounded("many").is_err() && rounded("1,250").is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(minor in 0..=1_000_000_000_i64, digits in 0..=4_u32, comma in any::<bool>()) {
            let scale = 10_i64.pow(digits);
            let mark = if comma { ',' } else { '.' };
            let width = usize::try_from(digits).unwrap();
            let text = match digits {
                0 => minor.to_string(),
                _ => format!("{}{mark}{:0width$}", minor / scale, minor % scale),
            };
            prop_assert_eq!(minor_units(&text, digits), Ok(minor));
            let written = decimal(u64::try_from(minor).unwrap(), digits);
            prop_assert_eq!(written, text.replace(',', "."));
        }

        #[test]
        fn no_text_is_too_much(text in "\\PC{0,40}", digits in 0..=4_u32) {
            if let Ok(minor) = minor_units(&text, digits) {
                prop_assert!(minor >= 0);
            }
        }
    }
}
