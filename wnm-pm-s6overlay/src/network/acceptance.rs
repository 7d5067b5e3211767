//! The acceptance is the one rule outside our own table: Docker has the machine forward nothing but what it knows, and
//! asks users who want more to say so in a chain that it keeps for them.

use wnm_pm::process_manager::ManagerError;

use super::hands::{RuleBackend, is_absent};
use crate::settings::MachineId;

/// Docker keeps this chain for its users' own rules and lets it come before its policy to forward nothing.
const USER_CHAIN: &str = "DOCKER-USER";

/// What sets rules of Docker's kind for one family of addresses.
struct Family {
    /// The programs by the names that they may have; the engine uses the one that knows its chain.
    programs: [&'static str; 2],
    /// The program of old, and where the kernel says whether anybody uses it: asking it would make it used.
    legacy: (&'static str, &'static str),
}

const FAMILIES: [Family; 2] = [
    Family { programs: ["iptables", "iptables-nft"], legacy: ("iptables-legacy", "/proc/net/ip_tables_names") },
    Family { programs: ["ip6tables", "ip6tables-nft"], legacy: ("ip6tables-legacy", "/proc/net/ip6_tables_names") },
];

/// Accepts what was translated and goes to our own bridge, and nothing else.
fn rule(machine: &MachineId) -> String {
    format!("-o {} -p udp -m conntrack --ctstate DNAT -j ACCEPT", machine.network_name())
}

/// The programs that have yet to set it: one for IPv4 and one for IPv6, where the engine has its chain. Where it has
/// none the engine itself forbids nothing; that a firewall may, is the doctor's finding.
///
/// # Errors
/// When that cannot be found out.
pub async fn missing(machine: &MachineId, hands: &RuleBackend<'_>) -> Result<Vec<&'static str>, ManagerError> {
    let rule = rule(machine);
    let mut missing = Vec::new();
    for family in &FAMILIES {
        if let Some((program, listed)) = user_chain(family, hands).await?
            && !listed.lines().any(|line| is_rule(line, &rule))
        {
            missing.push(program);
        }
    }
    Ok(missing)
}

/// Sets it with one of these programs, before all that others have there.
///
/// # Errors
/// When that fails.
pub async fn set(machine: &MachineId, program: &str, hands: &RuleBackend<'_>) -> Result<(), ManagerError> {
    change(machine, program, "-I", hands).await
}

/// Takes it away, however often it is there.
///
/// # Errors
/// When it stays.
pub async fn remove(machine: &MachineId, hands: &RuleBackend<'_>) -> Result<(), ManagerError> {
    let rule = rule(machine);
    for family in &FAMILIES {
        if let Some((program, listed)) = user_chain(family, hands).await? {
            for _ in listed.lines().filter(|line| is_rule(line, &rule)) {
                change(machine, program, "-D", hands).await?;
            }
        }
    }
    Ok(())
}

async fn change(machine: &MachineId, program: &str, verb: &str, hands: &RuleBackend<'_>) -> Result<(), ManagerError> {
    let rule = rule(machine);
    let arguments: Vec<&str> = ["-w", verb, USER_CHAIN].into_iter().chain(rule.split(' ')).collect();
    hands.succeed(program, &arguments, "").await.map(drop)
}

fn is_rule(line: &str, rule: &str) -> bool {
    line.strip_prefix("-A ").and_then(|line| line.strip_prefix(USER_CHAIN)).is_some_and(|line| line.trim() == rule)
}

/// The program of a family that knows Docker's chain, and what it lists of it; none when the engine has no such chain.
///
/// # Errors
/// When there is no program that could tell.
async fn user_chain(family: &Family, hands: &RuleBackend<'_>) -> Result<Option<(&'static str, String)>, ManagerError> {
    let mut is_answered = false;
    let (legacy, tables) = family.legacy;
    let in_use = hands.run("cat", &[tables], "").await?.stdout.contains("filter");
    for program in family.programs.into_iter().chain(in_use.then_some(legacy)) {
        let listed = hands.run(program, &["-w", "-S", USER_CHAIN], "").await?;
        if listed.success() {
            return Ok(Some((program, listed.stdout)));
        }
        is_answered |= !is_absent(&listed);
    }
    if is_answered { Ok(None) } else { Err(hands.lack(family.programs[0])) }
}
