//! Short texts that people write: one line, trimmed, without control characters and noncharacters.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be {min} to {max} characters on one line, without space around them")]
pub struct InvalidText {
    min: usize,
    max: usize,
}

/// Never a character of anybody's, by the Unicode standard. The last of them ends the stretches of keys that
/// are listed: whatever held it would stand in no list.
fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

macro_rules! line {
    ($(#[$doc:meta])* $name:ident, $min:literal..=$max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidText;

            fn try_from(text: String) -> Result<Self, InvalidText> {
                let is_no_text = |c: char| c.is_control() || is_noncharacter(c);
                let is_line = text.trim() == text && !text.chars().any(is_no_text);
                if is_line && ($min..=$max).contains(&text.chars().count()) {
                    Ok(Self(text))
                } else {
                    Err(InvalidText { min: $min, max: $max })
                }
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> String {
                text.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

line!(
    /// What a person, a company, a stall or a meal is called.
    Name, 1..=100
);
line!(
    /// A group of meals on a menu; it may be left empty.
    Category, 0..=50
);
line!(
    /// Why somebody did what needs a reason.
    Reason, 1..=200
);

/// Where a picture is: an `https` URL of at most 500 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageUrl(String);

#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("must be an https URL of at most 500 characters")]
pub struct InvalidImageUrl;

impl TryFrom<String> for ImageUrl {
    type Error = InvalidImageUrl;

    fn try_from(url: String) -> Result<Self, InvalidImageUrl> {
        let has_host = url.strip_prefix("https://").is_some_and(|rest| !rest.is_empty());
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>'));
        if has_host && is_plain && url.len() <= 500 { Ok(Self(url)) } else { Err(InvalidImageUrl) }
    }
}

impl From<ImageUrl> for String {
    fn from(url: ImageUrl) -> String {
        url.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, accepted: bool) {
        assert_eq!(Name::try_from(text.to_owned()).is_ok(), accepted, "{text:?}");
    }

    #[test]
    fn a_name_is_one_trimmed_line() {
        check("Ann", true);
        check("Caffè latte", true);
        check("", false);
        check(" Ann", false);
        check("Ann\nLee", false);
        check("a\u{0}b", false);
        check("\u{10ffff}Ann", false);
        check("Ann\u{fffe}", false);
        check("A\u{fdd0}nn", false);
        check("\u{fffd}\u{10fffd}", true);
        check(&"é".repeat(100), true);
        check(&"é".repeat(101), false);
    }

    #[test]
    fn a_picture_is_behind_https() {
        let is_url = |text: &str| ImageUrl::try_from(text.to_owned()).is_ok();
        assert!(is_url("https://img.example.com/7.png"));
        for wrong in ["http://img.example.com/7.png", "https://", "javascript:alert(1)", "https://a b"] {
            assert!(!is_url(wrong), "{wrong}");
        }
    }
}
