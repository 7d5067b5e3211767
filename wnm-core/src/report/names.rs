//! The names of many nodes in one sentence.

use std::collections::BTreeSet;

use crate::node::NodeId;

/// How many names and ranges a sentence shows at most.
const PARTS_MAX: usize = 5;

/// The names of these nodes, by number: consecutive ones as a range, each node once, and what does not fit as a count.
/// `antnode0001–0005, antnode0009 and 3 more`; empty for no nodes.
#[must_use]
pub fn names(nodes: &[NodeId]) -> String {
    let ranges = ranges(nodes);
    let shown: Vec<String> = ranges.iter().take(PARTS_MAX).map(|range| part(*range)).collect();
    let more: u64 = ranges.iter().skip(PARTS_MAX).map(|(first, last)| u64::from(last - first) + 1).sum();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The consecutive runs among these numbers, first and last, in ascending order.
fn ranges(nodes: &[NodeId]) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for NodeId(number) in BTreeSet::from_iter(nodes) {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(*number) => *last = *number,
            _ => ranges.push((*number, *number)),
        }
    }
    ranges
}

fn part((first, last): (u32, u32)) -> String {
    let name = NodeId(first).name();
    if first == last { name } else { format!("{name}–{last:04}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: impl IntoIterator<Item = u32>) -> String {
        names(&numbers.into_iter().map(NodeId).collect::<Vec<_>>())
    }

    #[test]
    fn consecutive_numbers_are_one_range_and_the_rest_is_counted() {
        assert_eq!(of([]), "");
        assert_eq!(of([7]), "antnode0007");
        assert_eq!(of([3, 1, 2, 2, 9]), "antnode0001–0003, antnode0009");
        assert_eq!(of(1..=1000), "antnode0001–1000");
        assert_eq!(of(9_998..=10_001), "antnode9998–10001");
        assert_eq!(of([u32::MAX, 0]), "antnode0000, antnode4294967295");
        let many = "antnode0001, antnode0003, antnode0005, antnode0007, antnode0009";
        assert_eq!(of([1, 3, 5, 7, 9]), many);
        assert_eq!(of([1, 3, 5, 7, 9, 11, 12, 15]), format!("{many} and 3 more"));
    }

    /// How many nodes a text of names stands for, and which ones it shows.
    fn read(text: &str) -> (Vec<u32>, u64) {
        let (shown, more) = text.strip_suffix(" more").and_then(|text| text.split_once(" and ")).unwrap_or((text, "0"));
        let mut numbers = Vec::new();
        for part in shown.split(", ").filter(|part| !part.is_empty()) {
            let digits = part.strip_prefix("antnode").expect("it is a name");
            let (first, last) = digits.split_once('–').unwrap_or((digits, digits));
            numbers.extend(first.parse::<u32>().expect("a number")..=last.parse().expect("a number"));
        }
        (numbers, more.parse().expect("a count"))
    }

    proptest! {
        #[test]
        fn no_node_is_lost_and_none_is_made_up(numbers in proptest::collection::vec(0_u32..300, 0..250)) {
            let text = of(numbers.clone());
            let (shown, more) = read(&text);
            let all = BTreeSet::from_iter(numbers);
            prop_assert_eq!(shown.len() as u64 + more, all.len() as u64);
            prop_assert!(all.iter().zip(&shown).all(|(number, shown)| number == shown), "{}", text);
            prop_assert!(text.len() < 120, "{}", text);
        }
    }
}
