//! Durations as people type them: `30s`, `2h`, `1d`, `1h30m`.

use jiff::{Span, SpanRelativeTo};

/// Ten years: whoever means longer means for good.
const LONGEST_SECONDS: i64 = 3_650 * 86_400;

/// The seconds that a text like `1h30m` stands for: more than none, and not more than ten years. A day has 24 hours.
pub(crate) fn seconds(text: &str) -> Result<u64, String> {
    const EXAMPLES: &str = "such as 30s, 45m, 2h, 1d or 1h30m";
    let span: Span = text.parse().map_err(|_| format!("it is not a duration, {EXAMPLES}"))?;
    let duration = span
        .to_duration(SpanRelativeTo::days_are_24_hours())
        .map_err(|_| "months and years differ in length; give days, such as 30d".to_owned())?;
    match duration.as_secs() {
        ..=0 => Err("it has to be a second or longer".to_owned()),
        seconds if seconds > LONGEST_SECONDS => Err("it is longer than ten years (3650d)".to_owned()),
        seconds => Ok(seconds.unsigned_abs()),
    }
}

/// "3d 4h", "5m 6s": the two largest units.
pub(crate) fn short(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds.max(0);
    let mut parts = Vec::new();
    for (size, unit) in units {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_type_them() {
        let known = [
            ("30s", 30),
            ("45m", 2_700),
            ("2h", 7_200),
            ("1d", 86_400),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("2w", 1_209_600),
        ];
        for (text, expected) in known {
            assert_eq!(seconds(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_what_would_be_one() {
        for text in ["", "2", "h", "2x", "tomorrow", "1h30"] {
            assert_eq!(
                seconds(text).expect_err(text),
                "it is not a duration, such as 30s, 45m, 2h, 1d or 1h30m",
                "{text}"
            );
        }
        assert_eq!(seconds("1mo"), Err("months and years differ in length; give days, such as 30d".to_owned()));
        for text in ["0s", "-2h", "2h ago", "100ms"] {
            assert_eq!(seconds(text), Err("it has to be a second or longer".to_owned()), "{text}");
        }
        assert_eq!(seconds("4000d"), Err("it is longer than ten years (3650d)".to_owned()));
    }

    #[test]
    fn the_two_largest_units_are_shown() {
        assert_eq!([0, 59, 61, 3_600, 90_061].map(short), ["0s", "59s", "1m 1s", "1h", "1d 1h"]);
    }
}
