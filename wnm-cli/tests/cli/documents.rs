//! Every `console` example of the documents is run, and prints what the document says (figures, times, addresses and
//! peer ids aside).

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

use wnm_testing::Need::S6Image;
use wnm_testing::{Colony, s6_image, test_node, test_node_of_v2};

use crate::containers::Groups;
use crate::{bare, containers, running};

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
        } else if let Some((_, group)) = bare.strip_prefix("wnm-").and_then(|name| name.split_once('-')) {
            format!("CONTAINER-{group}")
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
    let words: Vec<&str> = command.trim_start_matches("time ").split_whitespace().collect();
    let mut process = match words.as_slice() {
        ["wnm", words @ ..] => colony.command(words),
        // The document's container is another machine's.
        ["docker", "kill", container] => {
            let (_, group) = container.rsplit_once('-').expect("a container ends in its group");
            let mut process = std::process::Command::new("docker");
            process.args(["kill", &containers::of_group(colony, group)]);
            process
        }
        _ => panic!("no test can run `{command}`"),
    };
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
        ("WNM_DOCKER_IMAGE", &s6_image()),
    ] {
        process.env(name, value);
    }
    // Files that an example names lie where it is run.
    process.current_dir(colony.path());
    let output = process.output().expect("it can be run");
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).lines().map(str::to_owned).collect()
}

/// Whether the document says what was printed: all of it, or lines of it where it leaves some out.
fn agrees(printed: &[String], now: &[String]) -> bool {
    let steadied = |lines: &[String]| lines.iter().map(|line| steady(line)).collect::<Vec<_>>();
    let (printed, now) = (steadied(printed), steadied(now));
    if !printed.iter().any(|line| line == "…") {
        return printed == now;
    }
    printed.iter().filter(|line| *line != "…").all(|line| now.contains(line))
}

fn tell_the_truth(colony: &Colony, document: &str) {
    for Example { command, mut printed } in examples(document) {
        // Image and network are the machine's; what is printed here is built in a test of its own.
        if command.contains('|') {
            continue;
        }
        // What `time` says is no word of wnm's.
        if let Some(end) = printed.iter().position(|line| line.starts_with("real")) {
            printed.truncate(end);
            printed.pop_if(|line| line.is_empty());
        }
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut now = run(colony, &command);
        // On a busy machine a young node answers later than in the document.
        while command == "wnm status" && !agrees(&printed, &now) && Instant::now() < deadline {
            now = run(colony, &command);
        }
        assert!(agrees(&printed, &now), "{document}: $ {command}\n{}\nand not\n{}", now.join("\n"), printed.join("\n"));
    }
    let _ = colony.wnm(&["teardown", "--confirm"]);
}

fn the_readme_tells_the_truth() {
    assert!(examples("README.md").len() > 5);
    tell_the_truth(&bare(), "README.md");
}

fn the_page_on_commands_tells_the_truth() {
    assert!(examples("docs/commands.md").len() > 4);
    tell_the_truth(&bare(), "docs/commands.md");
}

fn the_page_on_backups_tells_the_truth() {
    assert!(examples("docs/backup.md").len() > 7);
    tell_the_truth(&bare(), "docs/backup.md");
}

fn the_page_on_the_move_to_v2_tells_the_truth() {
    assert_eq!(examples("docs/migrate-flavour.md").len(), 3);
    let colony = running(2);
    colony.install(&test_node_of_v2("", "0.23.1"));
    tell_the_truth(&colony, "docs/migrate-flavour.md");
}

fn the_page_on_day_two_tells_the_truth() {
    assert!(examples("docs/day-two.md").len() > 10);
    let colony = running(3);
    colony.install(&test_node("0.4.18"));
    tell_the_truth(&colony, "docs/day-two.md");
}

fn the_page_on_storages_tells_the_truth() {
    assert_eq!(examples("docs/storage.md").len(), 2);
    let colony = running(2);
    colony.leave_storage_to_the_database();
    tell_the_truth(&colony, "docs/storage.md");
}

fn the_page_on_containers_tells_the_truth() {
    assert!(examples("docs/s6overlay.md").len() > 5);
    tell_the_truth(&Groups::bare().colony, "docs/s6overlay.md");
}

fn the_page_on_the_doctor_tells_the_truth() {
    let colony = running(2);
    colony.done(&["stop", "2"]);
    let _held = UdpSocket::bind(("0.0.0.0", colony.ports().node_port(2))).expect("the node ended");
    let own = std::env::current_exe().expect("a test knows its own program");
    // A process's name is 15 characters long.
    let own: String = own.file_name().expect("a file").to_string_lossy().chars().take(15).collect();
    let [Example { command, printed }] = &examples("docs/doctor.md")[..] else { panic!("there is one example") };
    let now: Vec<String> = run(&colony, command).iter().map(|line| line.replace(&own, "nginx")).collect();
    // This machine may have findings of its own.
    for line in printed {
        assert!(now.iter().any(|now| steady(now) == steady(line)), "{line}\nis not in\n{}", now.join("\n"));
    }
}

wnm_testing::trials! {
    &[] => the_readme_tells_the_truth, the_page_on_day_two_tells_the_truth, the_page_on_storages_tells_the_truth,
        the_page_on_backups_tells_the_truth,
        the_page_on_the_move_to_v2_tells_the_truth, the_page_on_commands_tells_the_truth, the_page_on_the_doctor_tells_the_truth;
    &[S6Image] => the_page_on_containers_tells_the_truth;
}
