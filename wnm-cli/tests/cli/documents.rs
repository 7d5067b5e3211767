//! Every `console` example of the documents is run, and prints what the document says (figures, times, addresses and
//! peer ids aside).

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use wnm_core::testing::Colony;

use crate::bare;

/// A command of an example, and what it prints.
struct Example {
    command: String,
    printed: Vec<String>,
}

/// The examples of all `console` blocks of a document, in order: they tell one story.
fn examples(document: &str) -> Vec<Example> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(document);
    let text = fs::read_to_string(path).expect("the document is read");
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut examples: Vec<Example> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        match line.strip_prefix("$ ") {
            Some(command) => examples.push(Example { command: command.to_owned(), printed: Vec::new() }),
            None => examples.last_mut().expect("a command comes first").printed.push(line.to_owned()),
        }
    }
    examples
}

/// A line without what differs from run to run.
fn steady(line: &str) -> String {
    let words = line.split_whitespace().map(|word| {
        let bare = word.trim_matches(|character: char| !character.is_ascii_alphanumeric());
        if bare.starts_with("12D3KooW") {
            "PEER".to_owned()
        } else if word.contains('/') && !word.starts_with('`') {
            "PATH".to_owned()
        } else if bare.starts_with(|character: char| character.is_ascii_digit()) && !bare.starts_with("0x") {
            "FIGURE".to_owned()
        } else {
            word.to_owned()
        }
    });
    // "3s" and "1m 2s" are the same kind of thing.
    let mut words: Vec<String> = words.collect();
    words.dedup_by(|one, other| one == other && one == "FIGURE");
    words.join(" ")
}

fn run(colony: &Colony, command: &str) -> Vec<String> {
    let words: Vec<&str> = command.split_whitespace().collect();
    let words = words.strip_prefix(&["wnm"]).expect("examples are commands of wnm");
    let mut process = colony.command(words);
    // A busy machine shows the examples all the same.
    for (name, value) in [
        ("WNM_CPU_LESS_THAN", "101"),
        ("WNM_CPU_REMOVE", "102"),
        ("WNM_MEM_LESS_THAN", "101"),
        ("WNM_MEM_REMOVE", "102"),
        ("WNM_HD_LESS_THAN", "101"),
        ("WNM_HD_REMOVE", "102"),
        ("WNM_DESIRED_LOAD_AVERAGE", "9999"),
        ("WNM_MAX_LOAD_AVERAGE_ALLOWED", "10000"),
    ] {
        process.env(name, value);
    }
    let output = process.output().expect("wnm can be run");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

fn tell_the_truth(document: &str) {
    let colony = bare();
    for Example { command, printed } in examples(document) {
        let steadied = |lines: &[String]| lines.iter().map(|line| steady(line)).collect::<Vec<_>>();
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut now = run(&colony, &command);
        // On a busy machine a young node answers later than in the document.
        while command == "wnm status" && steadied(&now) != steadied(&printed) && Instant::now() < deadline {
            now = run(&colony, &command);
        }
        assert_eq!(steadied(&now), steadied(&printed), "{document}: $ {command}\n{}", now.join("\n"));
    }
    let _ = colony.wnm(&["teardown", "--confirm"]);
}

#[test]
fn the_readme_tells_the_truth() {
    assert!(examples("README.md").len() > 5);
    tell_the_truth("README.md");
}

#[test]
fn the_page_on_commands_tells_the_truth() {
    assert!(examples("docs/commands.md").len() > 4);
    tell_the_truth("docs/commands.md");
}
