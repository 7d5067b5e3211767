//! A renewal gives a node what the settings say today: with its next start, restart or upgrade, never in between.

use wnm_pm::node::NodeSpec;

use crate::node::Node;
use crate::settings::Config;

/// What a node is given with its next start. What a start cannot change (its number, ports and directories) stays.
///
/// A wallet that is still one of `rewards_address` stays too; another one is drawn anew, always the same for the same node.
#[must_use]
pub fn renewed(config: &Config, node: &Node) -> NodeSpec {
    let spec = node.spec();
    let stays = config.rewards_address.shares().any(|(address, _)| address.to_string() == spec.wallet);
    let draw = || config.rewards_address.draw(node.created_at().cast_unsigned(), spec.id.0).to_string();
    NodeSpec {
        program: config.antnode_path.clone(),
        bootstrap_cache_dir: config.bootstrap_cache_dir.clone(),
        wallet: if stays { spec.wallet.clone() } else { draw() },
        network: config.network.clone(),
        no_upnp: config.no_upnp,
        environment: config.environment.clone(),
        start_args: config.start_args.clone(),
        ..spec.clone()
    }
}

/// The settings that have changed since the node got its command line: it has them with its next start.
#[must_use]
pub fn outdated(config: &Config, node: &Node) -> Vec<&'static str> {
    let (old, new) = (node.spec(), renewed(config, node));
    let changed = [
        ("bootstrap_cache_dir", old.bootstrap_cache_dir != new.bootstrap_cache_dir),
        ("rewards_address", old.wallet != new.wallet),
        ("network", old.network != new.network),
        ("no_upnp", old.no_upnp != new.no_upnp),
        ("environment", old.environment != new.environment),
        ("start_args", old.start_args != new.start_args),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(setting, _)| setting).collect()
}
