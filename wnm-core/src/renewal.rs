//! A renewal gives a node what the settings say today: with its next start, restart or upgrade, never in between.

use serde::Serialize;
use wnm_pm::node::NodeSpec;

use crate::node::{Flavour, Node};
use crate::settings::{Config, join};

/// What a node is given with its next start. What a start cannot change (its number, ports and directory) stays.
///
/// A wallet that is still one of `rewards_address` stays too; another one is drawn anew, always the same for the same node.
#[must_use]
pub fn renewed(config: &Config, node: &Node) -> NodeSpec {
    let spec = node.spec();
    let stays = config.rewards_address.shares().any(|(address, _)| address.to_string() == spec.wallet);
    let draw = || config.rewards_address.draw(node.created_at().cast_unsigned(), spec.id.0).to_string();
    // What a container sees of the machine is the node's own directory. Others' places were given by others.
    let is_own = spec.group.is_none() && spec.log_dir.ends_with(&spec.name);
    NodeSpec {
        log_dir: if is_own { config.log_dir.join(&spec.name) } else { spec.log_dir.clone() },
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

/// The settings that have changed since the node got its command line: it has them with its next start. One that its
/// flavour has no use for changes nothing.
#[must_use]
pub fn outdated(config: &Config, node: &Node) -> Vec<&'static str> {
    let (old, new) = (node.spec(), renewed(config, node));
    let says = |spec: &NodeSpec| spec.flavour.arguments(spec) != old.flavour.arguments(old);
    let (cache, no_upnp) = (&new.bootstrap_cache_dir, new.no_upnp);
    let changed = [
        (
            "bootstrap_cache_dir",
            old.bootstrap_cache_dir != *cache && says(&NodeSpec { bootstrap_cache_dir: cache.clone(), ..old.clone() }),
        ),
        ("log_dir", old.log_dir != new.log_dir),
        ("rewards_address", old.wallet != new.wallet),
        ("network", old.network != new.network),
        ("no_upnp", old.no_upnp != no_upnp && says(&NodeSpec { no_upnp, ..old.clone() })),
        ("environment", old.environment != new.environment),
        ("start_args", old.start_args != new.start_args),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(setting, _)| setting).collect()
}

/// Options that a node has and its next start leaves out, with the settings that would keep them: what somebody else gave a
/// node that was taken over, or what a setting has held since.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Dropped {
    /// The options with their values, a word each.
    pub options: Vec<String>,
    /// Settings, and the values with which they keep them.
    pub kept_by: Vec<(&'static str, String)>,
}

/// What the next start of a node leaves out.
#[must_use]
pub fn dropped(config: &Config, node: &Node) -> Dropped {
    let spec = node.spec();
    let today = options(&config.start_args);
    let lost: Vec<&[String]> = options(&spec.start_args).into_iter().filter(|option| !today.contains(option)).collect();
    let mut dropped = Dropped::default();
    if !lost.is_empty() {
        let kept = config.start_args.iter().chain(lost.iter().copied().flatten()).map(String::as_str);
        dropped.kept_by.push(("start_args", join(kept)));
        dropped.options.extend(lost.concat());
    }
    if spec.no_upnp && !config.no_upnp && spec.flavour == Flavour::V1 {
        dropped.kept_by.push(("no_upnp", true.to_string()));
        dropped.options.push("--no-upnp".to_owned());
    }
    dropped
}

/// Words as options, each with what follows it.
fn options(words: &[String]) -> Vec<&[String]> {
    words.chunk_by(|_, next| !next.starts_with('-')).collect()
}
