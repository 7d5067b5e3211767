//! A hairpin lets a bridge send a packet back through the port that it came from. Without it a node cannot reach another
//! node of its own container by the machine's address, which is the only one that nodes advertise.

use serde_json::Value;
use wnm_pm::process_manager::ManagerError;

use super::RuleBackend;
use crate::settings::MachineId;

/// The ports of the bridge that lack it: containers get a new port whenever they start.
///
/// # Errors
/// When that cannot be found out.
pub async fn missing(machine: &MachineId, backend: &RuleBackend<'_>) -> Result<Vec<String>, ManagerError> {
    let listed =
        backend.run("ip", &["-details", "-json", "link", "show", "master", &machine.network_name()], "").await?;
    Ok(without_hairpin(&listed.stdout))
}

/// Sets it on a port of the bridge; a port that has disappeared meanwhile is not an error.
///
/// # Errors
/// When the program does not end.
pub async fn set(port: &str, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    let arguments = ["link", "set", "dev", port, "type", "bridge_slave", "hairpin", "on"];
    let output = backend.run("ip", &arguments, "").await?;
    if !output.success() {
        tracing::warn!(port, said = output.stderr, "nodes behind it do not reach each other by the machine's address");
    }
    Ok(())
}

fn without_hairpin(listing: &str) -> Vec<String> {
    let links: Vec<Value> = serde_json::from_str(listing).unwrap_or_default();
    links
        .iter()
        .filter(|link| link["linkinfo"]["info_slave_data"]["hairpin"] == false)
        .filter_map(|link| link["ifname"].as_str().map(str::to_owned))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::without_hairpin;

    #[test]
    fn only_ports_without_it_are_named() {
        let listing = r#"[
            {"ifname": "veth1", "linkinfo": {"info_slave_kind": "bridge", "info_slave_data": {"hairpin": false}}},
            {"ifname": "veth2", "linkinfo": {"info_slave_kind": "bridge", "info_slave_data": {"hairpin": true}}},
            {"ifname": "veth3"}
        ]"#;
        assert_eq!(without_hairpin(listing), ["veth1"]);
        assert_eq!(without_hairpin(""), Vec::<String>::new());
        assert_eq!(without_hairpin("[{}]"), Vec::<String>::new());
    }
}
