//! Placements with known answers, which were made by a model of its own.

use serde_json::Value;
use wnm_allocator::{Numbering, place};

const CASES: &str = include_str!("data/placements.jsonl");

fn number(value: &Value) -> u32 {
    u32::try_from(value.as_u64().expect("a whole number")).expect("a small number")
}

fn numbers(value: &Value) -> Vec<u32> {
    value.as_array().expect("numbers").iter().map(number).collect()
}

fn numbering(value: &Value) -> Numbering {
    match value["kind"].as_str().expect("a kind") {
        "fill_gaps" => Numbering::FillGaps,
        "never_reuse" => Numbering::NeverReuse,
        "blocks" => Numbering::Blocks {
            max_node_per_container: number(&value["max_node_per_container"]),
            min_container_count: number(&value["min_container_count"]),
            active_groups: number(&value["active_groups"]),
        },
        other => panic!("{other} is no numbering"),
    }
}

#[test]
fn placements_are_as_expected() {
    let mut cases = 0;
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("a case is JSON");
        let placed = place(
            &numbering(&case["numbering"]),
            &numbers(&case["used"]),
            number(&case["highest_number_used"]),
            number(&case["count"]),
        );
        assert_eq!(placed, Ok(numbers(&case["expect"])), "case {}", case["id"]);
        cases += 1;
    }
    assert_eq!(cases, 120);
}
