//! All output that was recorded of the real antctl 0.14.2 (`tests/data`) is understood.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wnm_pm::command::Output;
use wnm_pm::process_manager::ProcessState;

use crate::parse::{self, Status};

/// What was recorded, by its name.
fn transcripts() -> BTreeMap<String, Output> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let mut transcripts: BTreeMap<String, Output> = BTreeMap::new();
    for file in fs::read_dir(directory).expect("the transcripts are there") {
        let path = file.expect("the transcripts can be listed").path();
        let text = fs::read_to_string(&path).expect("a transcript is text");
        let name = path.file_stem().expect("it has a name").to_string_lossy().into_owned();
        let output = transcripts.entry(name).or_default();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("rc") => output.code = Some(text.trim().parse().expect("it is an exit code")),
            Some("stdout") => output.stdout = text,
            Some("stderr") => output.stderr = text,
            Some("cmd") => {}
            other => panic!("{} is not a transcript: {other:?}", path.display()),
        }
    }
    transcripts
}

#[test]
fn every_failure_is_reported_in_one_plain_line() {
    let failed = transcripts().into_iter().filter(|(_, output)| output.code != Some(0));
    let complaints: Vec<_> = failed.map(|(name, output)| format!("{name}: {}", parse::complaint(&output))).collect();
    assert!(!complaints.iter().any(|complaint| complaint.contains(char::is_control)), "{complaints:?}");
    insta::assert_snapshot!(complaints.join("\n"), @r#"
    corrupt: control character (\u0000-\u001F) found while parsing a string at line 2 column 0
    noinit_root: antnode1: Only systemd and openrc are supported on Linux; antnode2: Only systemd and openrc are supported on Linux
    remove_running: antnode1: Unable to remove a running service ["antnode1"], stop this service first before removing
    rm: antnode1: Command failed with exit code 1: Warning: Can't execute disable on the unit file path. Proceeding with the unit name.; Failed to disable unit: Unit file antnode1.service does not exist.
    root_add_badpath: No such file or directory (os error 2)
    root_add_count_mismatch: The count (3) does not match the number of ports (1)
    root_add_portinuse_reg: Port 55001 is being used by another service
    root_remove_again: No service named 'antnode1'
    root_start: antnode1: Command failed with exit code 1: System has not been booted with systemd as init system (PID 1). Can't operate.; Failed to connect to bus: Host is down
    root_start_unknown: No service named 'antnode7'
    start_a: antnode1: The PID of the process was not found after starting it.
    start_ct: antnode1: Could not connect to RPC endpoint 'https://127.0.0.1:14101'
    u_noxdg_start: antnode1: Command failed with exit code 1: Failed to connect to bus: No medium found
    udp_start: Could not connect to RPC endpoint 'https://127.0.0.1:39217'
    "#);
}

#[test]
fn only_status_json_prints_a_registry() {
    let registries = transcripts().into_iter().filter_map(|(name, output)| {
        let registry = parse::registry(&output.stdout).expect("nothing was cut off")?;
        let nodes = registry.nodes.iter().map(|entry| {
            let found = entry.found(ProcessState::Absent);
            let paths = [found.root_dir, found.binary, found.log_dir].map(|path| path.expect("it is reported"));
            let words = [found.flavour.map(|flavour| flavour.to_string()), found.network, found.wallet];
            let ports: Vec<_> = found.ports.iter().map(|(kind, port)| format!("{kind} {port}")).collect();
            format!(
                "{} {:?} {} {} {}",
                found.service,
                entry.status,
                paths.map(|path| path.display().to_string()).join(" "),
                words.map(Option::unwrap_or_default).join(" "),
                ports.join(", ")
            )
        });
        Some(format!("{name}: {}", nodes.collect::<Vec<_>>().join("; ")))
    });
    insta::assert_snapshot!(registries.collect::<Vec<_>>().join("\n"), @"
    root_status_json_removed: antnode1 Removed /var/antctl/services/antnode1 /var/antctl/services/antnode1/antnode /var/log/antnode/antnode1 v1 evm-arbitrum-one 0x00455d78f850b0358e8cea5be24d415e01e107cf node 55001, metrics 13001, rpc 33319
    status_json_running: antnode1 Running /var/antctl/services/antnode1 /var/antctl/services/antnode1/antnode /var/log/antnode/antnode1 v1 evm-arbitrum-one 0x00455d78f850b0358e8cea5be24d415e01e107cf node 56001, metrics 13101, rpc 14101
    status_json_stopped: antnode1 Stopped /var/antctl/services/antnode1 /var/antctl/services/antnode1/antnode /var/log/antnode/antnode1 v1 evm-arbitrum-one 0x00455d78f850b0358e8cea5be24d415e01e107cf node 56001, metrics 13101, rpc 14101
    user_status_json: antnode1 Added /home/tester/.local/share/autonomi/node/antnode1 /home/tester/.local/share/autonomi/node/antnode1/antnode /home/tester/.local/share/autonomi/node/antnode1/logs v1 evm-arbitrum-one 0x00455d78f850b0358e8cea5be24d415e01e107cf node 55001, metrics 13001, rpc 44779
    ");
    let removed = &transcripts()["root_status_json_removed"];
    let registry = parse::registry(&removed.stdout).expect("it is whole").expect("it is one");
    assert_eq!(registry.nodes[0].status, Status::Removed);
}

#[test]
fn a_refused_port_is_found_in_its_complaint() {
    let refused = &transcripts()["root_add_portinuse_reg"];
    assert_eq!(parse::refused_port(&parse::complaint(refused)), Some(55001));
    assert_eq!(parse::refused_port(&parse::complaint(&transcripts()["rm"])), None);
}

#[test]
fn the_options_that_wnm_uses_are_those_that_antctl_has() {
    let transcripts = transcripts();
    let help =
        [&transcripts["antctl_help_add"].stdout, &transcripts["antctl_help_start"].stdout].map(String::as_str).concat();
    for option in crate::render::OPTIONS.iter().chain(&["--interval", "--service-name"]) {
        assert!(
            help.contains(&format!("{option} ")) || help.contains(&format!("{option}\n")),
            "antctl has no {option}"
        );
    }
    assert!(transcripts["antctl_help_status"].stdout.contains("--json"));
}
