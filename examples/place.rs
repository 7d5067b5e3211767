//! Places nodes without a machine: how another program tries which numbers wnm would give.
//!
//! Reads one case a line from standard input and answers each with a line:
//!
//! ```text
//! $ echo '{"id": 7, "numbering": {"kind": "fill_gaps"}, "used": [1, 3], "highest_number_used": 3, "count": 2}' |
//!     cargo run --release --example place
//! {"id":7,"numbers":[2,4]}
//! ```
//!
//! - `id`: anything; comes back with the answer.
//! - `numbering`: `{"kind": "fill_gaps"}`, `{"kind": "never_reuse"}` or `{"kind": "blocks", "max_node_per_container": M,
//!   "min_container_count": C, "active_groups": G}`.
//! - `used`: the numbers in use, in any order. `highest_number_used`: the highest that any node ever had.
//! - `count`: how many nodes are new.
//!
//! Unknown keys are ignored, and so are empty lines. A line that is broken, or that asks for what is not possible, is
//! answered with `{"id": …, "error": "…"}`, where `id` is null if the line has none; then the exit code at the end is 1.
//! A reader that goes away early is not an error.

#![expect(clippy::disallowed_methods, reason = "what is tried here is started and waited for as by anybody")]

use std::io::{self, BufRead, ErrorKind, Write};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use wnm_allocator::{Numbering, place};

#[derive(Deserialize)]
struct Case {
    numbering: Numbering,
    used: Vec<u32>,
    highest_number_used: u32,
    count: u32,
}

#[derive(Serialize)]
struct Answer {
    id: Value,
    #[serde(flatten)]
    result: Placed,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Placed {
    Numbers(Vec<u32>),
    Error(String),
}

fn main() -> ExitCode {
    match answer_all(io::stdin().lock(), io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) if error.kind() == ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let _nobody_left_to_tell = writeln!(io::stderr(), "cannot read the cases or write the answers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Answers each case as soon as its line is read. Tells whether all could be placed.
fn answer_all(mut cases: impl BufRead, mut answers: impl Write) -> io::Result<bool> {
    let mut all_placed = true;
    let mut line = Vec::new();
    while cases.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            let answer = answer(&line);
            all_placed &= matches!(answer.result, Placed::Numbers(_));
            let mut text = serde_json::to_vec(&answer)?;
            text.push(b'\n');
            answers.write_all(&text)?;
            answers.flush()?;
        }
        line.clear();
    }
    Ok(all_placed)
}

fn answer(line: &[u8]) -> Answer {
    // Read as an object first, so that a case that is broken inside still gets its id back.
    let mut id = Value::Null;
    let placed = serde_json::from_slice(line)
        .and_then(|mut case: Map<String, Value>| {
            id = case.remove("id").unwrap_or_default();
            serde_json::from_value(Value::Object(case))
        })
        .map_err(|error| error.to_string())
        .and_then(|case: Case| {
            place(&case.numbering, &case.used, case.highest_number_used, case.count).map_err(|error| error.to_string())
        });
    Answer { id, result: placed.map_or_else(Placed::Error, Placed::Numbers) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(cases: &[u8]) -> (bool, String) {
        let mut output = Vec::new();
        let all_placed = answer_all(cases, &mut output).unwrap();
        (all_placed, String::from_utf8(output).unwrap())
    }

    #[test]
    fn cases_are_answered_in_order() {
        let cases = br#"{"id": 0, "numbering": {"kind": "fill_gaps"}, "used": [3, 1], "highest_number_used": 9, "count": 2}
{"count": 1, "highest_number_used": 9, "used": [], "numbering": {"kind": "never_reuse", "colour": 1}, "id": "b", "more": {}}

{"numbering": {"kind": "blocks", "max_node_per_container": 2, "min_container_count": 2, "active_groups": 0}, "used": [1], "highest_number_used": 1, "count": 4}"#;
        let expected =
            "{\"id\":0,\"numbers\":[2,4]}\n{\"id\":\"b\",\"numbers\":[10]}\n{\"id\":null,\"numbers\":[3,2,4,5]}\n";
        assert_eq!(answers(cases), (true, expected.to_owned()));
    }

    #[test]
    fn a_broken_line_is_answered_and_the_next_goes_on() {
        let cases = b"{\"id\": 1, \xff}\n[1]\n{\"id\": 2, \"used\": [-1]}\n\
            {\"id\": 3, \"numbering\": {\"kind\": \"fill_gaps\"}, \"used\": [], \"highest_number_used\": 0, \"count\": 1}\n";
        let (all_placed, text) = answers(cases);
        assert!(!all_placed);
        let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(
            lines.iter().map(|line| &line["id"]).collect::<Vec<_>>(),
            [&Value::Null, &Value::Null, &2.into(), &3.into()]
        );
        assert!(lines[..3].iter().all(|line| line["error"].is_string() && line.get("numbers").is_none()), "{text}");
        assert_eq!(lines[3]["numbers"], serde_json::json!([1]));
    }

    #[test]
    fn a_refused_case_says_why() {
        let cases = br#"{"id": 1, "numbering": {"kind": "blocks", "max_node_per_container": 0, "min_container_count": 1, "active_groups": 1}, "used": [], "highest_number_used": 0, "count": 1}
{"id": 2, "numbering": {"kind": "fill_gaps"}, "used": [], "highest_number_used": 0, "count": 4000000000}"#;
        let (all_placed, text) = answers(cases);
        assert!(!all_placed);
        assert!(text.contains("max_node_per_container 0 is not between 1 and 65535"), "{text}");
        assert!(text.contains("4000000000 nodes cannot be placed: only 65535 more"), "{text}");
    }
}
