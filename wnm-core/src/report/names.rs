//! The names of many nodes in one sentence.

use std::collections::BTreeSet;

use crate::node::NodeId;

/// How many names and ranges a sentence shows at most.
const PARTS_MAX: usize = 5;

/// The names of these nodes, by number: consecutive ones as a range, each node once, and what does not fit as a count.
/// `antnode0001–0005, antnode0009 and 3 more`; empty for no nodes.
#[must_use]
pub fn names(nodes: &[NodeId]) -> String {
    some(&ranges(nodes.iter().map(|id| id.0)), part)
}

/// As [`names`], with every node named: for what cannot be taken back.
#[must_use]
pub fn all_names(nodes: &[NodeId]) -> String {
    ranges(nodes.iter().map(|id| id.0)).into_iter().map(part).collect::<Vec<_>>().join(", ")
}

/// Container groups in the same way: `a1–a5, a7`.
#[must_use]
pub fn group_names(groups: &[u32]) -> String {
    some(&ranges(groups.iter().copied()), |(first, last)| {
        if first == last { format!("a{first}") } else { format!("a{first}–a{last}") }
    })
}

/// Ports in the same way: `55001–55200, 55301`.
#[must_use]
pub fn port_ranges(ports: &[u16]) -> String {
    some(&ranges(ports.iter().copied().map(u32::from)), |(first, last)| {
        if first == last { first.to_string() } else { format!("{first}–{last}") }
    })
}

/// The first of the ranges, and how many numbers the rest of them hold.
fn some(ranges: &[(u32, u32)], part: impl Fn((u32, u32)) -> String) -> String {
    let shown: Vec<String> = ranges.iter().take(PARTS_MAX).map(|range| part(*range)).collect();
    let more: u64 = ranges.iter().skip(PARTS_MAX).map(|(first, last)| u64::from(last - first) + 1).sum();
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// The consecutive runs among these numbers, first and last, in ascending order.
fn ranges(numbers: impl IntoIterator<Item = u32>) -> Vec<(u32, u32)> {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for number in numbers.into_iter().collect::<BTreeSet<u32>>() {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(number) => *last = number,
            _ => ranges.push((number, number)),
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

    #[test]
    fn what_cannot_be_taken_back_is_named_in_full() {
        let odd: Vec<NodeId> = (0..20).map(|place| NodeId(place * 2 + 1)).collect();
        assert!(names(&odd).ends_with(" and 15 more"), "{}", names(&odd));
        assert_eq!(all_names(&odd).matches("antnode").count(), 20);
    }

    #[test]
    fn groups_and_ports_are_ranges_too() {
        assert_eq!(group_names(&[2, 1, 3, 7]), "a1–a3, a7");
        assert_eq!(port_ranges(&[55_002, 55_001, 13_001]), "13001, 55001–55002");
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
