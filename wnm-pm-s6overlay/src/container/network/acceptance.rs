//! The acceptance is what has to be set outside our own table: Docker has the machine forward nothing but what it knows,
//! and keeps a chain for users who want more.

use wnm_pm::node::PortKind;
use wnm_pm::port::Protocol;
use wnm_pm::process_manager::ManagerError;

use super::backend::{RuleBackend, is_absent};
use crate::settings::MachineId;

/// Docker keeps this chain for its users' own rules; it comes before Docker's policy to forward nothing.
const USER_CHAIN: &str = "DOCKER-USER";

/// What sets rules of Docker's kind for one family of addresses.
struct Family {
    /// The programs by the names that they may have; the engine uses the one that knows its chain.
    programs: [&'static str; 2],
    /// The legacy program, and where the kernel says whether anybody uses it: running it would make it used.
    legacy: (&'static str, &'static str),
}

const FAMILIES: [Family; 2] = [
    Family { programs: ["iptables", "iptables-nft"], legacy: ("iptables-legacy", "/proc/net/ip_tables_names") },
    Family { programs: ["ip6tables", "ip6tables-nft"], legacy: ("ip6tables-legacy", "/proc/net/ip6_tables_names") },
];

/// What accepts what was translated and goes to our own bridge, and nothing else: a rule for each protocol that public ports
/// are used over.
fn rules(machine: &MachineId) -> Vec<String> {
    let is_public =
        |protocol: &Protocol| PortKind::ALL.into_iter().any(|kind| kind.is_public() && kind.protocol() == *protocol);
    let rule = |protocol: Protocol| {
        let (bridge, protocol) = (machine.network_name(), protocol.as_str().to_ascii_lowercase());
        format!("-o {bridge} -p {protocol} -m conntrack --ctstate DNAT -j ACCEPT")
    };
    Protocol::ALL.into_iter().filter(is_public).map(rule).collect()
}

/// A rule that is not set yet.
#[derive(Debug)]
pub struct Missing {
    program: &'static str,
    rule: String,
}

/// What is not set yet: for IPv4 and for IPv6, where the engine has its chain. Where it has none, the engine itself forbids
/// nothing; a firewall may, which the doctor finds.
///
/// # Errors
/// When that cannot be found out.
pub async fn missing(machine: &MachineId, backend: &RuleBackend<'_>) -> Result<Vec<Missing>, ManagerError> {
    let mut missing = Vec::new();
    for family in &FAMILIES {
        let Some((program, listed)) = user_chain(family, backend).await? else { continue };
        let unset = |rule: &String| !listed.lines().any(|line| is_rule(line, rule));
        missing.extend(rules(machine).into_iter().filter(unset).map(|rule| Missing { program, rule }));
    }
    Ok(missing)
}

/// Sets what is missing, before everything else in the chain.
///
/// # Errors
/// When that fails.
pub async fn set(missing: &Missing, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    change(missing.program, "-I", &missing.rule, backend).await
}

/// Removes the rules, however often they are there.
///
/// # Errors
/// When one stays.
pub async fn remove(machine: &MachineId, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    for family in &FAMILIES {
        let Some((program, listed)) = user_chain(family, backend).await? else { continue };
        for rule in rules(machine) {
            for _ in listed.lines().filter(|line| is_rule(line, &rule)) {
                change(program, "-D", &rule, backend).await?;
            }
        }
    }
    Ok(())
}

async fn change(program: &str, verb: &str, rule: &str, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    let arguments: Vec<&str> = ["-w", verb, USER_CHAIN].into_iter().chain(rule.split(' ')).collect();
    backend.succeed(program, &arguments, "").await.map(drop)
}

fn is_rule(line: &str, rule: &str) -> bool {
    line.strip_prefix("-A ").and_then(|line| line.strip_prefix(USER_CHAIN)).is_some_and(|line| line.trim() == rule)
}

/// The program of a family that knows Docker's chain, and what it lists of it; none when the engine has no such chain.
///
/// # Errors
/// When no such program is installed.
async fn user_chain(
    family: &Family,
    backend: &RuleBackend<'_>,
) -> Result<Option<(&'static str, String)>, ManagerError> {
    let mut is_answered = false;
    let (legacy, tables) = family.legacy;
    let in_use = backend.run("cat", &[tables], "").await?.stdout.contains("filter");
    for program in family.programs.into_iter().chain(in_use.then_some(legacy)) {
        let listed = backend.run(program, &["-w", "-S", USER_CHAIN], "").await?;
        if listed.success() {
            return Ok(Some((program, listed.stdout)));
        }
        is_answered |= !is_absent(&listed);
    }
    if is_answered { Ok(None) } else { Err(backend.lack(family.programs[0])) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_public_ports_are_used_over_is_accepted_and_recognised() {
        let rules = rules(&MachineId::of(Path::new("/var/antctl/services")));
        insta::assert_snapshot!(rules.join("\n"), @"-o wnm-d7990fc5 -p udp -m conntrack --ctstate DNAT -j ACCEPT");
        assert!(is_rule(&format!("-A DOCKER-USER {} ", rules[0]), &rules[0]));
        assert!(!is_rule("-A DOCKER-USER -j RETURN", &rules[0]));
    }
}
