//! The acceptance is what has to be set outside our own table: Docker has the machine forward nothing but what it knows,
//! and keeps a chain for users who want more. What Docker itself sets for our bridge is verified too, and set again in
//! its own words where somebody flushed it.

use std::collections::BTreeSet;

use wnm_pm::node::PortKind;
use wnm_pm::port::Protocol;
use wnm_pm::process_manager::ManagerError;

use super::backend::{RuleBackend, is_absent};
use crate::settings::MachineId;

/// Docker keeps this chain for its users' own rules; it comes before Docker's policy to forward nothing.
const USER_CHAIN: &str = "DOCKER-USER";
/// Everything that is forwarded passes this chain.
const FORWARD: &str = "FORWARD";
/// What keeps Docker's networks apart. Rules for a bridge come behind it.
const ISOLATION: &str = "-A FORWARD -j DOCKER-ISOLATION-STAGE-1";

/// What sets rules of Docker's kind for one family of addresses.
struct Family {
    /// The programs by the names that they may have; the engine uses the one that knows its chain.
    programs: [&'static str; 2],
    /// The legacy program, and where the kernel says whether anybody uses it: running it would make it used.
    legacy: (&'static str, &'static str),
}

const V4: Family =
    Family { programs: ["iptables", "iptables-nft"], legacy: ("iptables-legacy", "/proc/net/ip_tables_names") };
const V6: Family =
    Family { programs: ["ip6tables", "ip6tables-nft"], legacy: ("ip6tables-legacy", "/proc/net/ip6_tables_names") };

/// A rule of one of Docker's chains.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    chain: &'static str,
    text: String,
}

impl Rule {
    fn is(&self, line: &str) -> bool {
        let rest = line.strip_prefix("-A ").and_then(|line| line.strip_prefix(self.chain));
        rest.is_some_and(|rest| rest.trim() == self.text)
    }
}

/// What accepts what was translated and goes to our own bridge, and nothing else: a rule for each protocol that public ports
/// are used over.
fn own(machine: &MachineId) -> Vec<Rule> {
    let is_public =
        |protocol: &Protocol| PortKind::ALL.into_iter().any(|kind| kind.is_public() && kind.protocol() == *protocol);
    let rule = |protocol: Protocol| {
        let (bridge, protocol) = (machine.network_name(), protocol.as_str().to_ascii_lowercase());
        Rule { chain: USER_CHAIN, text: format!("-o {bridge} -p {protocol} -m conntrack --ctstate DNAT -j ACCEPT") }
    };
    Protocol::ALL.into_iter().filter(is_public).map(rule).collect()
}

/// What lets nodes ask the world.
fn way_out(machine: &MachineId) -> Rule {
    let bridge = machine.network_name();
    Rule { chain: FORWARD, text: format!("-i {bridge} ! -o {bridge} -j ACCEPT") }
}

/// What lets the answers back to them.
fn answers(machine: &MachineId) -> Rule {
    let bridge = machine.network_name();
    Rule { chain: FORWARD, text: format!("-o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT") }
}

/// A rule that is not set yet, and how it is set.
#[derive(Debug)]
pub struct Missing {
    program: &'static str,
    verb: &'static str,
    rule: Rule,
}

/// What is not set yet: for IPv4, and for IPv6 where the containers have it, as far as the engine has its chain. Where it has
/// none, the engine itself forbids nothing; a firewall may, which the doctor finds.
///
/// # Errors
/// When that cannot be found out.
pub async fn missing(
    machine: &MachineId,
    has_ipv6: bool,
    backend: &RuleBackend<'_>,
) -> Result<Vec<Missing>, ManagerError> {
    let mut missing = Vec::new();
    for family in [&V4].into_iter().chain(has_ipv6.then_some(&V6)) {
        let Some((program, listed)) = rules_of_engine(family, backend).await? else { continue };
        let unset = missing_in(&listed, machine).into_iter();
        missing.extend(unset.map(|(verb, rule)| Missing { program, verb, rule }));
    }
    Ok(missing)
}

/// What a listing of the whole filter table lacks. Each is put before everything else in its chain, so that the jump to
/// Docker's users' chain, which is the last here, comes first there.
fn missing_in(listed: &str, machine: &MachineId) -> Vec<(&'static str, Rule)> {
    let chains = reached(listed);
    let bridge = machine.network_name();
    let accepting: Vec<&str> = listed
        .lines()
        .filter_map(|line| line.strip_prefix("-A ")?.strip_suffix("-j ACCEPT")?.split_once(' '))
        .filter_map(|(chain, condition)| chains.contains(chain).then_some(condition.trim()))
        .collect();
    let out = ["", &format!("-i {bridge}"), &format!("-i {bridge} ! -o {bridge}")];
    let is_answer = |condition: &&str| {
        let to_us = !condition.contains("-o ") || condition.starts_with(&format!("-o {bridge} "));
        to_us && condition.ends_with("-m conntrack --ctstate RELATED,ESTABLISHED")
    };
    let behind = if listed.lines().any(|line| line == ISOLATION) { "-A" } else { "-I" };
    let mut missing = Vec::new();
    if !accepting.iter().any(|condition| out.contains(condition)) {
        missing.push((behind, way_out(machine)));
    }
    if !accepting.iter().any(is_answer) {
        missing.push((behind, answers(machine)));
    }
    let unset = own(machine).into_iter().filter(|rule| !listed.lines().any(|line| rule.is(line)));
    missing.extend(unset.map(|rule| ("-I", rule)));
    if !chains.contains(USER_CHAIN) {
        missing.push(("-I", Rule { chain: FORWARD, text: format!("-j {USER_CHAIN}") }));
    }
    missing
}

/// The chains that something forwarded can come to.
fn reached(listed: &str) -> BTreeSet<&str> {
    let mut reached = BTreeSet::from([FORWARD]);
    loop {
        let jumps = listed.lines().filter_map(rule_of).filter(|(chain, _)| reached.contains(chain));
        let targets: Vec<&str> = jumps.filter_map(|(_, target)| target).collect();
        let before = reached.len();
        reached.extend(targets);
        if reached.len() == before {
            return reached;
        }
    }
}

/// The chain of a rule, and where it leads.
fn rule_of(line: &str) -> Option<(&str, Option<&str>)> {
    let mut words = line.strip_prefix("-A ")?.split(' ');
    let chain = words.next()?;
    let target = words.find(|word| ["-j", "-g"].contains(word)).and_then(|_| words.next());
    Some((chain, target))
}

/// Sets what is missing.
///
/// # Errors
/// When that fails.
pub async fn set(missing: &Missing, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    change(missing.program, missing.verb, &missing.rule, backend).await
}

/// Removes the rules, however often they are there.
///
/// # Errors
/// When one stays.
pub async fn remove(machine: &MachineId, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    for family in [&V4, &V6] {
        let Some((program, listed)) = rules_of_engine(family, backend).await? else { continue };
        for rule in own(machine).into_iter().chain([way_out(machine), answers(machine)]) {
            for _ in listed.lines().filter(|line| rule.is(line)) {
                change(program, "-D", &rule, backend).await?;
            }
        }
    }
    Ok(())
}

async fn change(program: &str, verb: &str, rule: &Rule, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    let arguments: Vec<&str> = ["-w", verb, rule.chain].into_iter().chain(rule.text.split(' ')).collect();
    backend.succeed(program, &arguments, "").await.map(drop)
}

/// The program of a family that knows Docker's chain, and what it lists; none when the engine has no such chain.
///
/// # Errors
/// When no such program is installed.
async fn rules_of_engine(
    family: &Family,
    backend: &RuleBackend<'_>,
) -> Result<Option<(&'static str, String)>, ManagerError> {
    let mut is_answered = false;
    let (legacy, tables) = family.legacy;
    let in_use = backend.run("cat", &[tables], "").await?.stdout.contains("filter");
    for program in family.programs.into_iter().chain(in_use.then_some(legacy)) {
        let listed = backend.run(program, &["-w", "-S"], "").await?;
        if listed.success() && listed.stdout.lines().any(|line| line == format!("-N {USER_CHAIN}")) {
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

    fn machine() -> MachineId {
        MachineId::of(Path::new("/var/antctl/services"))
    }

    fn lacking(listed: &str) -> Vec<String> {
        let missing = missing_in(listed, &machine()).into_iter();
        missing.map(|(verb, rule)| format!("{verb} {} {}", rule.chain, rule.text)).collect()
    }

    const COMPLETE: &str = "\
-P FORWARD DROP
-N DOCKER
-N DOCKER-ISOLATION-STAGE-1
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-ISOLATION-STAGE-1
-A FORWARD -o wnm-d7990fc5 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -o wnm-d7990fc5 -j DOCKER
-A FORWARD -i wnm-d7990fc5 ! -o wnm-d7990fc5 -j ACCEPT
-A DOCKER-USER -o wnm-d7990fc5 -p udp -m conntrack --ctstate DNAT -j ACCEPT
-A DOCKER-USER -j RETURN
";

    #[test]
    fn what_the_engine_sets_for_our_bridge_is_verified_with_what_we_set() {
        assert_eq!(lacking(COMPLETE), Vec::<String>::new());
        let without = |text: &str| {
            COMPLETE.lines().filter(|line| !line.contains(text)).map(|line| format!("{line}\n")).collect::<String>()
        };
        insta::assert_snapshot!(lacking(&without("RELATED")).join("\n"), @"-A FORWARD -o wnm-d7990fc5 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
        insta::assert_snapshot!(lacking(&without("! -o")).join("\n"), @"-A FORWARD -i wnm-d7990fc5 ! -o wnm-d7990fc5 -j ACCEPT");
        insta::assert_snapshot!(lacking(&without("DNAT")).join("\n"), @"-I DOCKER-USER -o wnm-d7990fc5 -p udp -m conntrack --ctstate DNAT -j ACCEPT");
        insta::assert_snapshot!(lacking(&without("-A ")).join("\n"), @r"
        -I FORWARD -i wnm-d7990fc5 ! -o wnm-d7990fc5 -j ACCEPT
        -I FORWARD -o wnm-d7990fc5 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
        -I DOCKER-USER -o wnm-d7990fc5 -p udp -m conntrack --ctstate DNAT -j ACCEPT
        -I FORWARD -j DOCKER-USER
        ");
    }

    #[test]
    fn a_newer_engine_has_the_same_in_chains_of_its_own() {
        let newer = "\
-P FORWARD DROP
-N DOCKER-BRIDGE
-N DOCKER-CT
-N DOCKER-FORWARD
-N DOCKER-USER
-A FORWARD -j DOCKER-USER
-A FORWARD -j DOCKER-FORWARD
-A DOCKER-CT -o wnm-d7990fc5 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A DOCKER-FORWARD -j DOCKER-CT
-A DOCKER-FORWARD -i wnm-d7990fc5 -j ACCEPT
-A DOCKER-USER -o wnm-d7990fc5 -p udp -m conntrack --ctstate DNAT -j ACCEPT
";
        assert_eq!(lacking(newer), Vec::<String>::new());
        let flushed = newer.replace("-A FORWARD -j DOCKER-FORWARD\n", "");
        assert_eq!(lacking(&flushed).len(), 2, "chains that nothing leads to count for nothing");
    }

    #[test]
    fn what_is_ours_is_recognised() {
        let rule = &own(&machine())[0];
        insta::assert_snapshot!(rule.text, @"-o wnm-d7990fc5 -p udp -m conntrack --ctstate DNAT -j ACCEPT");
        assert!(rule.is(&format!("-A DOCKER-USER {} ", rule.text)));
        assert!(!rule.is("-A DOCKER-USER -j RETURN"));
    }
}
