//! The laws of layouts and placements, each stated by itself, without the means of the implementation.

use proptest::collection::btree_set;
use proptest::prelude::*;
use wnm_allocator::{Blocks, Group, Layout, Numbering, Placer, place};

fn layouts() -> impl Strategy<Value = Layout> {
    let starts = (0..70_u16, 0..70_u16, 0..70_u16, prop::option::of(0..70_u16));
    starts.prop_map(|(port_start, metrics_port_start, rpc_port_start, webrtc_port_start)| Layout {
        port_start,
        metrics_port_start,
        rpc_port_start,
        webrtc_port_start,
    })
}

fn used_numbers(end: u32) -> impl Strategy<Value = Vec<u32>> {
    btree_set(1..=end, 0..40).prop_map(|numbers| numbers.into_iter().collect::<Vec<u32>>()).prop_shuffle()
}

/// A machine with container groups, and nodes in them.
#[derive(Debug, Clone)]
struct Fleet {
    block: u32,
    minimum: u32,
    active: u32,
    used: Vec<u32>,
}

impl Fleet {
    fn numbering(&self) -> Numbering {
        Numbering::Blocks {
            max_node_per_container: self.block,
            min_container_count: self.minimum,
            active_groups: self.active,
        }
    }

    /// The numbers of a group, counted out.
    fn block_of(&self, group: u32) -> Vec<u32> {
        (1..=group * self.block).skip(((group - 1) * self.block) as usize).collect()
    }

    fn used_in(&self, group: u32) -> Vec<u32> {
        self.block_of(group).into_iter().filter(|number| self.used.contains(number)).collect()
    }

    fn standing(&self) -> u32 {
        self.active.max(self.minimum)
    }

    /// Places `count` nodes one by one and hands each step to `law`: the fleet before it, the group and the number.
    fn each_step(
        mut self,
        count: u32,
        law: impl Fn(&Self, u32, u32) -> Result<(), TestCaseError>,
    ) -> Result<(), TestCaseError> {
        for number in place(&self.numbering(), &self.used, 0, count).expect("small fleets have room") {
            let group = (1..).find(|group| self.block_of(*group).contains(&number)).expect("some block has it");
            law(&self, group, number)?;
            self.used.push(number);
            self.active = self.standing().max(group);
        }
        Ok(())
    }
}

fn fleets() -> impl Strategy<Value = Fleet> {
    (1..12_u32, 0..5_u32, 0..6_u32).prop_flat_map(|(block, minimum, active)| {
        let end = (block * active.max(minimum)).max(1);
        let used = if active.max(minimum) == 0 { Just(Vec::new()).boxed() } else { used_numbers(end).boxed() };
        used.prop_map(move |used| Fleet { block, minimum, active, used })
    })
}

fn numberings() -> impl Strategy<Value = (Numbering, Vec<u32>)> {
    prop_oneof![
        used_numbers(60).prop_map(|used| (Numbering::FillGaps, used)),
        used_numbers(60).prop_map(|used| (Numbering::NeverReuse, used)),
        fleets().prop_map(|fleet| (fleet.numbering(), fleet.used)),
    ]
}

proptest! {
    #[test]
    fn a_port_is_the_start_times_1000_plus_the_number(layout in layouts(), number in 0..70_000_u32) {
        let expected = |start: u16| {
            Some(i64::from(start) * 1000 + i64::from(number)).filter(|port| number > 0 && *port <= 65_535)
        };
        prop_assert_eq!(layout.node_port(number).ok().map(i64::from), expected(layout.port_start));
        prop_assert_eq!(layout.metrics_port(number).ok().map(i64::from), expected(layout.metrics_port_start));
        prop_assert_eq!(layout.rpc_port(number).ok().map(i64::from), expected(layout.rpc_port_start));
        let webrtc = layout.webrtc_port(number).ok().flatten().map(i64::from);
        prop_assert_eq!(webrtc, layout.webrtc_port_start.and_then(expected));
    }

    #[test]
    fn a_layout_is_possible_when_no_port_has_two_purposes_and_none_passes_65535(
        layout in layouts(), far in 0..66_000_u32, near in -2..=2_i64, at_the_limit: bool,
    ) {
        let highest = if at_the_limit { (i64::from(layout.highest_number()) + near).max(0) as u32 } else { far };
        let mut purposes = vec![0_u8; 140_000];
        let starts = [layout.port_start, layout.metrics_port_start, layout.rpc_port_start];
        for start in starts.into_iter().chain(layout.webrtc_port_start) {
            for number in 1..=highest as usize {
                purposes[usize::from(start) * 1000 + number] += 1;
            }
        }
        let none_shared = purposes.iter().all(|purposes| *purposes <= 1);
        let none_past_the_last = purposes[65_536..].iter().all(|purposes| *purposes == 0);
        let possible = none_shared && none_past_the_last;
        prop_assert_eq!(layout.check(highest).is_ok(), possible);
        prop_assert_eq!(highest <= layout.highest_number(), possible);
    }

    #[test]
    fn every_number_is_in_exactly_one_block(block in 1..300_u32, number in 1..3_000_u32) {
        let blocks = Blocks::new(block, 1).unwrap();
        let owners: Vec<Group> = (1..=3_000)
            .map(|group| Group::new(group).unwrap())
            .filter(|group| blocks.numbers_of(*group).contains(&number))
            .collect();
        prop_assert_eq!(owners, [blocks.group_of(number).unwrap()]);
        prop_assert_eq!(blocks.numbers_of(Group::new(number).unwrap()).count(), block as usize);
    }

    #[test]
    fn the_port_ranges_of_all_groups_are_disjoint_and_no_further_group_fits(
        layout in layouts(), block in 1..4_000_u32,
    ) {
        let blocks = Blocks::new(block, 1).unwrap();
        let fit = blocks.groups_that_fit(&layout);
        let mut ports: Vec<u16> = Vec::new();
        for group in (1..=fit).map(|group| Group::new(group).unwrap()) {
            let ranges = blocks.ports_of(group, &layout).unwrap();
            prop_assert_eq!(ranges.webrtc.is_some(), layout.webrtc_port_start.is_some());
            for range in [ranges.node, ranges.metrics, ranges.rpc].into_iter().chain(ranges.webrtc) {
                prop_assert_eq!(u32::from(range.last) - u32::from(range.first) + 1, block);
                ports.extend(range.first..=range.last);
            }
            prop_assert_eq!(ranges.node.first, layout.node_port(*blocks.numbers_of(group).start()).unwrap());
        }
        let count = ports.len();
        ports.sort_unstable();
        ports.dedup();
        prop_assert_eq!(ports.len(), count);
        prop_assert!(blocks.check(&layout, fit).is_ok() == (fit >= 1));
        prop_assert!(layout.check((fit + 1) * block).is_err());
        prop_assert!(blocks.check(&layout, fit + 1).is_err());
        prop_assert!(blocks.ports_of(Group::new(fit + 1).unwrap(), &layout).is_err());
    }

    #[test]
    fn a_placed_number_is_free_and_placed_once((numbering, used) in numberings(), count in 0..80_u32) {
        let mut taken = used.clone();
        for number in place(&numbering, &used, 60, count).unwrap() {
            prop_assert!(number >= 1);
            prop_assert!(!taken.contains(&number), "{} is taken", number);
            taken.push(number);
        }
        prop_assert_eq!(taken.len(), used.len() + count as usize);
    }

    #[test]
    fn placing_at_once_is_placing_one_after_the_other(
        (numbering, used) in numberings(), first in 0..30_u32, second in 0..30_u32,
    ) {
        let together = place(&numbering, &used, 60, first + second).unwrap();
        let begin = place(&numbering, &used, 60, first).unwrap();
        let highest = begin.iter().copied().max().unwrap_or(0).max(60);
        let rest = place(&numbering, &[used, begin.clone()].concat(), highest, second).unwrap();
        prop_assert_eq!(together, [begin, rest].concat());
    }

    #[test]
    fn the_order_and_the_repetition_of_used_numbers_do_not_matter(
        (numbering, used) in numberings(), count in 0..30_u32,
    ) {
        let mut sorted = [used.clone(), used.clone()].concat();
        sorted.sort_unstable();
        prop_assert_eq!(place(&numbering, &used, 60, count), place(&numbering, &sorted, 60, count));
    }

    #[test]
    fn fill_gaps_leaves_no_lower_number_free(used in used_numbers(60), count in 1..80_u32) {
        let placed = place(&Numbering::FillGaps, &used, 60, count).unwrap();
        for (index, number) in placed.iter().enumerate() {
            for lower in 1..*number {
                prop_assert!(used.contains(&lower) || placed[..index].contains(&lower), "{} is free", lower);
            }
        }
    }

    #[test]
    fn never_reuse_counts_on_from_the_highest_ever_used(
        used in used_numbers(60), highest in 0..100_u32, count in 1..80_u32,
    ) {
        let mut before = used.iter().copied().fold(highest, u32::max);
        for number in place(&Numbering::NeverReuse, &used, highest, count).unwrap() {
            prop_assert_eq!(number, before + 1);
            before = number;
        }
    }

    #[test]
    fn no_standing_group_with_room_has_fewer_nodes_than_the_one_chosen(fleet in fleets(), count in 1..80_u32) {
        fleet.each_step(count, |fleet, chosen, _| {
            let nodes = fleet.used_in(chosen).len();
            for other in 1..=fleet.standing() {
                let others = fleet.used_in(other).len();
                prop_assert!(others >= nodes, "a{other} has {others}, a{chosen} has {nodes}");
                prop_assert!(others > nodes || other >= chosen, "a{other} comes before its equal a{chosen}");
            }
            Ok(())
        })?;
    }

    #[test]
    fn balance_differs_by_at_most_one_while_groups_are_not_full(
        block in 1..12_u32, active in 1..6_u32, share in 0..100_u32,
    ) {
        let fleet = Fleet { block, minimum: active, active, used: Vec::new() };
        let count = block * active * share / 100;
        let used = place(&fleet.numbering(), &[], 0, count).unwrap();
        let fleet = Fleet { used, ..fleet };
        let nodes: Vec<usize> = (1..=active).map(|group| fleet.used_in(group).len()).collect();
        prop_assert_eq!(nodes.iter().sum::<usize>(), count as usize);
        prop_assert!(nodes.iter().max().unwrap() - nodes.iter().min().unwrap() <= 1, "{:?}", nodes);
    }

    #[test]
    fn one_more_group_opens_only_when_all_are_full(fleet in fleets(), count in 1..80_u32) {
        fleet.each_step(count, |fleet, chosen, _| {
            let standing = fleet.standing();
            if chosen > standing {
                prop_assert_eq!(chosen, standing + 1);
                prop_assert_eq!(fleet.used.len() as u32, standing * fleet.block, "a{} opened too early", chosen);
            }
            Ok(())
        })?;
    }

    #[test]
    fn inside_a_group_numbers_go_up_to_the_end_and_then_fill_gaps(fleet in fleets(), count in 1..80_u32) {
        fleet.each_step(count, |fleet, chosen, number| {
            let block = fleet.block_of(chosen);
            let used = fleet.used_in(chosen);
            let end_is_used = used.last() == block.last();
            let expected = match used.last() {
                None => block.first().copied(),
                Some(highest) if !end_is_used => Some(highest + 1),
                Some(_) => block.into_iter().find(|number| !used.contains(number)),
            };
            prop_assert_eq!(Some(number), expected);
            Ok(())
        })?;
    }

    #[test]
    fn a_placer_gives_what_place_gives_up_to_its_limit((numbering, used) in numberings(), limit in 60..150_u32) {
        let unlimited = place(&numbering, &used, 60, 200).unwrap();
        // Whole blocks only, so that the last numbers may stay free.
        let limit = match numbering {
            Numbering::Blocks { max_node_per_container, .. } => limit / max_node_per_container * max_node_per_container,
            _ => limit,
        };
        let limited: Vec<u32> = Placer::new(&numbering, &used, 60, limit).unwrap().collect();
        prop_assert_eq!(&limited[..], &unlimited[..limited.len()]);
        prop_assert!(limited.iter().all(|number| *number <= limit));
        prop_assert!(unlimited[limited.len()] > limit, "{} fits below {}", unlimited[limited.len()], limit);
    }

    #[test]
    fn the_name_of_a_group_reads_back(number in 1..=65_535_u32) {
        let group = Group::new(number).unwrap();
        prop_assert_eq!(group.to_string(), format!("a{number}"));
        prop_assert_eq!(group.to_string().parse::<Group>(), Ok(group));
    }
}
