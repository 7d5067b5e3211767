//! A contradiction is what no single setting shows: pairs the wrong way round, ranges that do not fit, unsafe places.

use std::path::Path;

use wnm_allocator::LayoutError;

use super::facts::Facts;
use super::origin::Origins;
use super::problem::Problem;
use super::table::Config;
use super::value::join;
use crate::decide::layout as layout_of;
use wnm_pm::flavour::{Owned, owner_of};

/// Everything that contradicts itself, as far as the settings involved are sound by themselves.
pub(super) fn contradictions(config: &Config, origins: &Origins, facts: &Facts) -> Vec<Problem> {
    let mut problems = pairs(config, origins);
    problems.extend(storages(config, origins, facts));
    problems.extend(layout(config, origins));
    problems.extend(start_args(config, origins));
    problems
}

/// Where growing begins above where shrinking begins, or at it, the fleet would swing between the two.
fn pairs(config: &Config, origins: &Origins) -> Vec<Problem> {
    let c = config;
    let always = [
        ("cpu_less_than", c.cpu_less_than, "cpu_remove", c.cpu_remove),
        ("mem_less_than", c.mem_less_than, "mem_remove", c.mem_remove),
        ("hd_less_than", c.hd_less_than, "hd_remove", c.hd_remove),
        ("desired_load_average", c.desired_load_average, "max_load_average_allowed", c.max_load_average_allowed),
    ];
    let always = always
        .into_iter()
        .filter(|(name, low, other, high)| low >= high && origins.all_sound(&[name, other]))
        .map(|(name, low, other, high)| swing(origins, name, &low.to_string(), other, &high.to_string()));
    let when_set = [
        ("hdio_read_less_than", c.hdio_read_less_than, "hdio_read_remove", c.hdio_read_remove),
        ("hdio_write_less_than", c.hdio_write_less_than, "hdio_write_remove", c.hdio_write_remove),
        ("netio_read_less_than", c.netio_read_less_than, "netio_read_remove", c.netio_read_remove),
        ("netio_write_less_than", c.netio_write_less_than, "netio_write_remove", c.netio_write_remove),
    ];
    let when_set = when_set
        .into_iter()
        .filter(|(_, low, _, high)| *low != 0 && *high != 0)
        .filter(|(name, low, other, high)| low >= high && origins.all_sound(&[name, other]))
        .map(|(name, low, other, high)| swing(origins, name, &low.to_string(), other, &high.to_string()));
    always.chain(when_set).collect()
}

fn swing(origins: &Origins, name: &str, low: &str, other: &str, high: &str) -> Problem {
    let of_other = origins.of(other);
    let reason = format!("must be below {other} = {high} ({of_other}), or wnm would keep adding and removing nodes");
    Problem::new(name, Some(low), origins.of(name), reason)
}

/// Node directories are deleted, so they have places of their own.
fn storages(config: &Config, origins: &Origins, facts: &Facts) -> Option<Problem> {
    let storages = &config.node_storage;
    if !origins.all_sound(&["node_storage"]) {
        return None;
    }
    let wrong =
        |reason: String| Problem::new("node_storage", Some(&storages.to_string()), origins.of("node_storage"), reason);
    if storages.iter().any(|storage| Path::new(&facts.home).starts_with(storage)) {
        let reason = format!("must not be the home directory {} or lie above it", facts.home);
        return Some(wrong(reason).hint("name a directory that holds nothing but nodes"));
    }
    let mut pairs = storages.iter().enumerate().flat_map(|(place, one)| {
        storages.iter().enumerate().filter(move |(other, _)| *other != place).map(move |(_, other)| (one, other))
    });
    if let Some((inner, outer)) = pairs.find(|(inner, outer)| inner.starts_with(outer)) {
        let reason = match inner == outer {
            true => format!("names {} twice", inner.display()),
            false => format!("{} must not lie in {}", inner.display(), outer.display()),
        };
        return Some(wrong(reason).hint("name directories that lie beside one another, each on a disk of its own"));
    }
    (storages.is_several() && !config.process_manager.takes_several_storages()).then(|| {
        let reason = format!("must be one directory: {} places its nodes by itself", config.process_manager);
        wrong(reason).hint("name one directory")
    })
}

/// The highest number that a node can get while there are no more than `node_cap` of them and none is left over from before.
fn highest_number(config: &Config) -> u32 {
    if config.process_manager.uses_containers() {
        let size = config.max_node_per_container;
        return config.node_cap.div_ceil(size).max(config.min_container_count).saturating_mul(size);
    }
    config.node_cap.max(config.highest_node_id_used.unwrap_or(0))
}

/// Every port of every node must exist, and no two ranges may overlap.
fn layout(config: &Config, origins: &Origins) -> Option<Problem> {
    let involved = [
        "port_start",
        "metrics_port_start",
        "rpc_port_start",
        "webrtc_port_start",
        "node_cap",
        "highest_node_id_used",
        "process_manager",
        "max_node_per_container",
        "min_container_count",
    ];
    let refusal = layout_of(config).check(highest_number(config)).err().filter(|_| origins.all_sound(&involved))?;
    let name = match &refusal {
        LayoutError::PastLastPort { kind, .. } | LayoutError::Overlap { kind, .. } => kind.setting(),
        _ => "node_cap",
    };
    let texts = config.texts();
    let text = texts.iter().find(|(known, _)| *known == name).map(|(_, text)| text.as_str());
    let problem = Problem::new(name, text, origins.of(name), refusal.to_string());
    Some(match refusal.hint() {
        Some(hint) => problem.hint(hint),
        None => problem,
    })
}

/// What wnm gives nodes itself cannot be given them a second time: a node would refuse it, or be another one than recorded.
fn start_args(config: &Config, origins: &Origins) -> Option<Problem> {
    let (word, owned) = config.start_args.iter().find_map(|word| Some((word, owner_of(word)?)))?;
    let option = word.split_once('=').map_or(word.as_str(), |(option, _)| option);
    let why = match owned {
        Owned::By(setting) => format!("the setting {setting} decides about that"),
        Owned::ByWnm(reason) => reason.to_owned(),
    };
    let text = join(config.start_args.iter().map(String::as_str));
    let problem =
        Problem::new("start_args", Some(&text), origins.of("start_args"), format!("must not hold {option}: {why}"));
    Some(problem.hint(format!("leave {option} out")))
}
