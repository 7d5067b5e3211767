//! The table of groups that operators know, and every refusal with its figures.

use wnm_allocator::{Blocks, Group, HIGHEST_NUMBER, Layout, LayoutError, Numbering, Placer, PortKind, place};

const USUAL: Layout = Layout { port_start: 55, metrics_port_start: 13, rpc_port_start: 30, webrtc_port_start: None };

fn blocks(max_node_per_container: u32) -> Blocks {
    Blocks::new(max_node_per_container, 1).expect("these blocks are possible")
}

fn group(number: u32) -> Group {
    Group::new(number).expect("this group is possible")
}

/// The refusal, with its hint in a line of its own.
fn refusal<T: std::fmt::Debug>(result: Result<T, LayoutError>) -> String {
    let error = result.expect_err("this must be refused");
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.contains("hint"), "{text:?}");
    error.hint().map_or(text.clone(), |hint| format!("{text}\nhint: {hint}"))
}

#[test]
fn five_groups_of_two_hundred_have_the_ports_of_the_table() {
    let mut table = String::new();
    for number in 1..=5 {
        let ports = blocks(200).ports_of(group(number), &USUAL).expect("five groups fit");
        table += &format!("{} | {} | {}\n", group(number), ports.metrics, ports.node);
    }
    insta::assert_snapshot!(table, @"
    a1 | 13001-13200 | 55001-55200
    a2 | 13201-13400 | 55201-55400
    a3 | 13401-13600 | 55401-55600
    a4 | 13601-13800 | 55601-55800
    a5 | 13801-14000 | 55801-56000
    ");
}

#[test]
fn the_usual_layout_has_ports_for_10535_nodes() {
    assert_eq!(USUAL.highest_number(), 10_535);
    assert_eq!(USUAL.check(10_535), Ok(()));
    assert_eq!(USUAL.node_port(10_535), Ok(65_535));
    assert_eq!(blocks(200).groups_that_fit(&USUAL), 52);
    assert_eq!(blocks(10_535).groups_that_fit(&USUAL), 1);
    assert_eq!(blocks(10_536).groups_that_fit(&USUAL), 0);
}

#[test]
fn one_machine_takes_nodes_up_to_the_port_limit() {
    let blocks = Numbering::Blocks { max_node_per_container: 245, min_container_count: 5, active_groups: 5 };
    for numbering in [Numbering::FillGaps, Numbering::NeverReuse, blocks] {
        let placer = Placer::new(&numbering, &[], 0, USUAL.highest_number()).expect("it is possible");
        let mut numbers: Vec<u32> = placer.collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(1..=10_535), "{numbering:?}");
    }
}

#[test]
fn no_limit_reaches_past_the_last_port() {
    let placer = Placer::new(&Numbering::NeverReuse, &[], 65_533, u32::MAX);
    let numbers: Vec<u32> = placer.expect("it is possible").take(3).collect();
    assert_eq!(numbers, [65_534, 65_535]);
}

#[test]
fn a_thousand_machines_take_a_hundred_thousand_nodes() {
    let numbering = Numbering::Blocks { max_node_per_container: 20, min_container_count: 3, active_groups: 3 };
    let placed: usize = (0..1_000)
        .map(|machine| {
            let used: Vec<u32> = (1..=machine % 50).collect();
            let numbers = place(&numbering, &used, machine, 100).expect("there is room");
            let all: std::collections::BTreeSet<u32> = numbers.iter().chain(&used).copied().collect();
            assert_eq!(all.len(), 100 + used.len(), "machine {machine} has a number twice");
            numbers.len()
        })
        .sum();
    assert_eq!(placed, 100_000);
}

#[test]
fn f58_a_range_past_the_last_port_is_refused() {
    insta::assert_snapshot!(refusal(USUAL.check(10_536)), @"
    node numbers up to 10536 do not fit: node ports 55001-65536 (port_start 55) pass 65535
    hint: numbers up to 10535 fit; allow no more, or lower port_start
    ");
    insta::assert_snapshot!(refusal(Layout { port_start: 70, ..USUAL }.check(1)), @"
    node numbers up to 1 do not fit: node ports 70001-70001 (port_start 70) pass 65535
    hint: no node fits; lower port_start
    ");
    insta::assert_snapshot!(refusal(USUAL.check(u32::MAX)), @"
    node numbers up to 4294967295 do not fit: node ports 55001-4295022295 (port_start 55) pass 65535
    hint: numbers up to 10535 fit; allow no more, or lower port_start
    ");
}

#[test]
fn ranges_that_would_overlap_are_refused() {
    let close = Layout { metrics_port_start: 54, ..USUAL };
    assert_eq!(close.check(1_000), Ok(()));
    assert_eq!(close.highest_number(), 1_000);
    insta::assert_snapshot!(refusal(close.check(1_001)), @"
    node numbers up to 1001 do not fit: metrics ports 54001-55001 (metrics_port_start 54) overlap node ports 55001-56001 (port_start 55)
    hint: numbers up to 1000 fit; allow no more, or set metrics_port_start and port_start further apart
    ");
    insta::assert_snapshot!(refusal(Layout { rpc_port_start: 13, ..USUAL }.check(1)), @"
    node numbers up to 1 do not fit: metrics ports 13001-13001 (metrics_port_start 13) overlap rpc ports 13001-13001 (rpc_port_start 13)
    hint: no node fits; set metrics_port_start and rpc_port_start further apart
    ");
    insta::assert_snapshot!(refusal(Layout { rpc_port_start: 56, ..USUAL }.check(1_500)), @"
    node numbers up to 1500 do not fit: rpc ports 56001-57500 (rpc_port_start 56) overlap node ports 55001-56500 (port_start 55)
    hint: numbers up to 1000 fit; allow no more, or set rpc_port_start and port_start further apart
    ");
    let with_webrtc = |start| Layout { webrtc_port_start: Some(start), ..USUAL };
    assert_eq!(with_webrtc(57).check(2_000), Ok(()));
    insta::assert_snapshot!(refusal(with_webrtc(56).check(2_000)), @"
    node numbers up to 2000 do not fit: webrtc ports 56001-58000 (webrtc_port_start 56) overlap node ports 55001-57000 (port_start 55)
    hint: numbers up to 1000 fit; allow no more, or set webrtc_port_start and port_start further apart
    ");
}

#[test]
fn a_block_of_no_or_too_many_numbers_is_refused() {
    insta::assert_snapshot!(refusal(Blocks::new(0, 1)), @"max_node_per_container 0 is not between 1 and 65535");
    insta::assert_snapshot!(refusal(Blocks::new(HIGHEST_NUMBER + 1, 1)), @"max_node_per_container 65536 is not between 1 and 65535");
    let none = Numbering::Blocks { max_node_per_container: 0, min_container_count: 1, active_groups: 1 };
    assert_eq!(place(&none, &[], 0, 1), Err(LayoutError::BlockSize { max_node_per_container: 0 }));
}

#[test]
fn more_groups_than_fit_are_refused() {
    assert_eq!(blocks(200).check(&USUAL, 52), Ok(()));
    insta::assert_snapshot!(refusal(blocks(200).check(&USUAL, 53)), @"
    53 container groups of 200 nodes do not fit: node numbers end at 10535, which is enough for 52 groups
    hint: lower max_node_per_container or have fewer groups
    ");
    let many_from_the_start = Blocks::new(200, 60).expect("the blocks are possible");
    assert_eq!(refusal(many_from_the_start.check(&USUAL, 1)), refusal(blocks(200).check(&USUAL, 60)));
    assert_eq!(refusal(blocks(200).ports_of(group(53), &USUAL)), refusal(blocks(200).check(&USUAL, 53)));
    let numbering = Numbering::Blocks { max_node_per_container: 200, min_container_count: 1, active_groups: u32::MAX };
    insta::assert_snapshot!(refusal(place(&numbering, &[], 0, 1)), @"
    4294967295 container groups of 200 nodes do not fit: node numbers end at 65535, which is enough for 327 groups
    hint: lower max_node_per_container or have fewer groups
    ");
}

#[test]
fn more_nodes_than_numbers_are_refused() {
    insta::assert_snapshot!(refusal(place(&Numbering::NeverReuse, &[], 65_530, 6)), @"
    6 nodes cannot be placed: only 5 more can be numbered, as numbers end at 65535
    hint: remove nodes first; numbers that are never reused come free with a teardown only
    ");
    assert_eq!(place(&Numbering::NeverReuse, &[], 65_534, 1), Ok(vec![65_535]));
    for numbering in [
        Numbering::FillGaps,
        Numbering::NeverReuse,
        Numbering::Blocks { max_node_per_container: 1, min_container_count: 0, active_groups: 0 },
    ] {
        let error = place(&numbering, &[], 0, u32::MAX);
        let (wanted, possible, highest_number) = (u32::MAX, HIGHEST_NUMBER, HIGHEST_NUMBER);
        assert_eq!(error, Err(LayoutError::NumbersUsedUp { wanted, possible, highest_number }));
    }
    assert_eq!(refusal(place(&Numbering::NeverReuse, &[], u32::MAX, 1)).lines().count(), 2);
}

#[test]
fn numbers_that_no_node_has_are_refused() {
    insta::assert_snapshot!(refusal(USUAL.node_port(0)), @"node number 0 is not between 1 and 65535");
    insta::assert_snapshot!(refusal(USUAL.node_port(10_536)), @"node 10536 can have no node port: port_start 55 makes it 65536, and ports end at 65535");
    insta::assert_snapshot!(refusal(USUAL.metrics_port(u32::MAX)), @"node 4294967295 can have no metrics port: metrics_port_start 13 makes it 4294980295, and ports end at 65535");
    insta::assert_snapshot!(refusal(blocks(200).group_of(0)), @"node number 0 is not between 1 and 65535");
    insta::assert_snapshot!(refusal(blocks(200).group_of(65_536)), @"node number 65536 is not between 1 and 65535");
    insta::assert_snapshot!(refusal(Group::new(0)), @"container group 0 is not between 1 and 65535");
    assert_eq!(place(&Numbering::FillGaps, &[3, 0], 3, 1), Err(LayoutError::NoSuchNumber { number: 0 }));
}

#[test]
fn a_group_has_one_name() {
    assert_eq!("a1".parse(), Ok(group(1)));
    assert_eq!("a65535".parse(), Ok(group(65_535)));
    for text in ["", "a", "a0", "a01", "a+1", "a 1", "A1", "b1", "1", "a65536", "a99999999999", "a1 ", "a１"] {
        let error = text.parse::<Group>().expect_err("this is no group");
        assert_eq!(error.text, text);
    }
    let error = "a\n1".parse::<Group>().expect_err("this is no group");
    insta::assert_snapshot!(error, @r#""a\n1" is not a container group (a1, a2 … a65535)"#);
}

#[test]
fn a_port_kind_knows_its_setting() {
    let settings = [PortKind::Node, PortKind::Metrics, PortKind::Rpc, PortKind::WebRtc].map(PortKind::setting);
    assert_eq!(settings, ["port_start", "metrics_port_start", "rpc_port_start", "webrtc_port_start"]);
}
