//! Counts as a person reads them.

/// A count with its thousands set apart: `1,000`.
#[must_use]
pub fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// How many of something: `1 node`, `1,000 nodes`. The plural of `noun` is made with an s.
#[must_use]
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(count))
}

/// "is" for one, "are" for more.
pub(super) fn be(count: usize) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural_and_thousands_are_set_apart() {
        let texts = [0, 1, 2, 999, 1_000, 12_345, 1_000_000].map(|count| counted(count, "node"));
        assert_eq!(
            texts,
            ["0 nodes", "1 node", "2 nodes", "999 nodes", "1,000 nodes", "12,345 nodes", "1,000,000 nodes"]
        );
    }
}
