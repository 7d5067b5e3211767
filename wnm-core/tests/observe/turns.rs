//! Whose turn it is to be asked when there is no time for all.

use std::collections::BTreeSet;

use proptest::prelude::*;
use wnm_core::observe::in_turn;

const NOW: i64 = 1_790_000_000;

/// How many are asked in one cycle when none of them answers: 64 at once, 3 seconds each, 10 seconds in all.
const IN_ONE_CYCLE: usize = 192;

#[test]
fn nodes_that_are_waited_for_are_asked_first() {
    let urgent = [37, 500, 999];
    for minute in 0..100 {
        let order = in_turn(NOW + 60 * minute, (0..1_000).collect(), |number| urgent.contains(number));
        assert_eq!(order[..3].iter().copied().collect::<BTreeSet<_>>(), urgent.into());
    }
}

#[test]
fn everyone_is_asked_within_a_few_cycles_whatever_lies_between_two() {
    for count in [193, 500, 960, 1_000, 2_000] {
        for minutes in [1, 2, 3, 5, 10, 15, 30, 60] {
            let mut asked = BTreeSet::new();
            let cycles = (1..).find(|cycle| {
                let order = in_turn(NOW + 60 * minutes * cycle, (0..count).collect(), |_| false);
                asked.extend(order.into_iter().take(IN_ONE_CYCLE));
                asked.len() == count
            });
            let at_best = count.div_ceil(IN_ONE_CYCLE);
            let cycles = cycles.and_then(|cycles| usize::try_from(cycles).ok()).expect("it is found");
            assert!(cycles <= 4 * at_best, "{count} nodes, {minutes} minutes apart: {cycles} cycles");
        }
    }
}

proptest! {
    #[test]
    fn everyone_has_one_place(now in any::<i64>(), urgent in proptest::collection::vec(any::<bool>(), 0..50)) {
        let places: Vec<usize> = (0..urgent.len()).collect();
        let order = in_turn(now, places.clone(), |&place| urgent[place]);
        let of_first: Vec<bool> = order.iter().map(|&place| urgent[place]).collect();
        prop_assert!(of_first.is_sorted_by_key(|&urgent| !urgent));
        let mut sorted = order;
        sorted.sort_unstable();
        prop_assert_eq!(sorted, places);
    }
}
