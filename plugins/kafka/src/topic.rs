//! What Kafka takes as the name of a topic.

use std::borrow::Cow;

const LONGEST: usize = 249;

/// Why `name` cannot be a topic's; `None` if it can.
pub(crate) fn wrong(name: &str) -> Option<String> {
    if name.is_empty() || name == "." || name == ".." {
        return Some(format!("`{name}` is no name of a topic"));
    }
    if let Some(odd) = name.chars().find(|c| !fits(*c)) {
        return Some(format!("a topic's name cannot contain `{odd}`"));
    }
    (name.len() > LONGEST).then(|| {
        format!(
            "a topic's name has at most {LONGEST} characters, and `{name}` has {}",
            name.len()
        )
    })
}

/// A topic's name from what a record filled in: `::` as `.`, whatever else does not fit as `_`, no
/// longer than it may be.
pub(crate) fn fit(name: &str) -> Cow<'_, str> {
    if name.len() <= LONGEST && name.chars().all(fits) {
        return Cow::Borrowed(name);
    }
    let fitting = name.replace("::", ".");
    let fitting = fitting.chars().map(|c| if fits(c) { c } else { '_' });
    Cow::Owned(fitting.take(LONGEST).collect())
}

fn fits(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_records_fill_in_is_made_to_fit() {
        assert_eq!(fit("logs.shop"), "logs.shop");
        assert_eq!(fit("logs.shop::db Ünit"), "logs.shop.db__nit");
        assert_eq!(fit(&"x".repeat(300)).len(), 249);
        assert!(wrong(&fit("ä::/")).is_none());
    }

    #[test]
    fn what_cannot_be_a_topic_is_told() {
        for name in ["", ".", "..", "a b", "a/b", "ä", &"x".repeat(250)] {
            assert!(wrong(name).is_some(), "{name}");
        }
        assert_eq!(wrong("a-b_c.D1"), None);
    }
}
