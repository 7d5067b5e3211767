//! Renewing: antctl writes a node's unit file once, when it adds the node. What the node is given today is written into it
//! before a start; what antctl chose for the node stays.

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::Outcome;

use crate::Antctl;
use crate::parse::Entry;
use crate::render::with_environment;
use crate::words::takes_value;

impl Antctl {
    /// Gives a stopped node's unit file the arguments and the environment that the node has today.
    pub(crate) async fn renew(&self, entry: &Entry, node: &NodeRef) -> Outcome<()> {
        let Some(unit) = self.own_unit(entry).filter(|_| self.systemd.booted) else { return Ok(()) };
        let today = renewed(&unit, &node.spec);
        if today != unit {
            self.write_unit_of(entry, &today)?;
            self.systemd.reload(std::slice::from_ref(&entry.service_name)).await;
        }
        Ok(())
    }
}

/// The text of a unit file with the arguments and the environment of today.
fn renewed(unit: &str, spec: &NodeSpec) -> String {
    let unit = match environment(unit) == written(&spec.environment) {
        true => unit.to_owned(),
        false => with_environment(unit, &spec.environment),
    };
    let Some(line) = unit.lines().find(|line| line.starts_with(EXEC_START)) else { return unit };
    let (kept, owned) = take_apart(line.trim_start_matches(EXEC_START));
    let today = of_settings(spec);
    if sorted(&owned) == sorted(&today) {
        return unit;
    }
    let words: Vec<String> = kept.into_iter().chain(today.into_iter().flatten()).collect();
    unit.replace(line, &format!("{EXEC_START}{}", words.join(" ")))
}

const EXEC_START: &str = "ExecStart=";

fn environment(unit: &str) -> Vec<&str> {
    unit.lines().filter(|line| line.starts_with("Environment=")).collect()
}

fn written(environment: &[(String, String)]) -> Vec<String> {
    environment.iter().map(|(name, value)| format!("Environment=\"{name}={value}\"")).collect()
}

/// The words that stay, and the options that settings decide about, each with its value. The network is the last word, and
/// counts as an option of its own.
fn take_apart(line: &str) -> (Vec<String>, Vec<Vec<String>>) {
    let (mut kept, mut owned) = (Vec::new(), Vec::new());
    let mut words = line.split_whitespace().map(str::to_owned);
    while let Some(word) = words.next() {
        match takes_value(&word) {
            Some(true) => owned.push([word].into_iter().chain(words.next()).collect()),
            Some(false) => owned.push(vec![word]),
            None if word.starts_with("evm-") => owned.push([word].into_iter().chain(words.by_ref()).collect()),
            None => kept.push(word),
        }
    }
    (kept, owned)
}

/// What the settings of today give the node, the network last.
fn of_settings(spec: &NodeSpec) -> Vec<Vec<String>> {
    let mut options = vec![vec!["--rewards-address".to_owned(), spec.wallet.clone()]];
    if spec.no_upnp {
        options.push(vec!["--no-upnp".to_owned()]);
    }
    let mut given = spec.start_args.iter();
    while let Some(word) = given.next() {
        options.push(match word.split_once('=') {
            Some((option, value)) => vec![option.to_owned(), value.to_owned()],
            None if takes_value(word) == Some(true) => [word].into_iter().chain(given.next()).cloned().collect(),
            None => vec![word.clone()],
        });
    }
    options.push(vec![spec.network.clone()]);
    options
}

/// antctl writes an address as it likes, upper or lower case.
fn sorted(options: &[Vec<String>]) -> Vec<String> {
    let mut options: Vec<String> = options.iter().map(|words| words.join(" ").to_lowercase()).collect();
    options.sort();
    options
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::tests::spec;

    /// As antctl 0.14.2 writes it for `spec`.
    fn unit() -> String {
        "[Unit]\nDescription=antnode7\n[Service]\nExecStart=/srv/nodes/antnode7/antnode --rpc 127.0.0.1:30007 --root-dir /srv/nodes/antnode7 \
         --log-output-dest /var/log/antnode7 --port 55007 --no-upnp --metrics-server-port 13007 --relay --ip 10.0.0.1 \
         --rewards-address 0x03b770d9cd32077cc0bf330c13c114a87643b124 --stop-on-upgrade evm-arbitrum-one\nRestart=on-success\n\
         Environment=\"A=1, B=2\"\nUser=ant\n"
            .to_owned()
    }

    #[test]
    fn a_unit_that_says_what_the_settings_say_stays_as_antctl_wrote_it() {
        assert_eq!(renewed(&unit(), &spec(7)), unit());
        assert_eq!(renewed("[Unit]\n", &NodeSpec { environment: vec![], ..spec(7) }), "[Unit]\n");
    }

    #[test]
    fn arguments_environment_wallet_and_network_of_today_go_in_and_what_antctl_chose_stays() {
        let today = NodeSpec {
            no_upnp: false,
            start_args: ["--first", "--peer", "/ip4/10.0.0.1/udp/1"].map(str::to_owned).into(),
            environment: vec![("C".to_owned(), "3".to_owned())],
            wallet: "0x00455d78f850b0358E8cea5be24d415E01E107CF".to_owned(),
            network: "evm-arbitrum-sepolia-test".to_owned(),
            ..spec(7)
        };
        let once = renewed(&unit(), &today);
        insta::assert_snapshot!(once, @r#"
        [Unit]
        Description=antnode7
        [Service]
        Environment="C=3"
        ExecStart=/srv/nodes/antnode7/antnode --rpc 127.0.0.1:30007 --root-dir /srv/nodes/antnode7 --log-output-dest /var/log/antnode7 --port 55007 --metrics-server-port 13007 --stop-on-upgrade --rewards-address 0x00455d78f850b0358E8cea5be24d415E01E107CF --first --peer /ip4/10.0.0.1/udp/1 evm-arbitrum-sepolia-test
        Restart=on-success
        User=ant
        "#);
        assert_eq!(renewed(&once, &today), once);
    }
}
