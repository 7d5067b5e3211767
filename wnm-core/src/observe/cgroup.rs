//! Control groups: what this process and the nodes that it starts may have of the machine, where that is less than all of
//! it. A container is one, and so is a service of systemd. Both versions are read, each as the kernel mounted it.

use std::fs;
use std::path::{Path, PathBuf};

use super::linux::Roots;
use super::rates::percent;
use crate::snapshot::Allowance;

/// The memory of a control group.
#[derive(Debug, Clone, PartialEq)]
pub struct Memory {
    /// How many bytes it may use.
    pub allowance: Allowance,
    /// In use, without what the kernel would give up for the asking.
    pub used_percent: f64,
}

/// The processor time of a control group.
#[derive(Debug, Clone, PartialEq)]
pub struct Processors {
    /// How many processors it may use.
    pub allowance: Allowance,
    /// What it has used so far.
    pub used_microseconds: u64,
}

/// The memory of the control group that is the fullest of those that may have less than the machine has; none where the
/// machine is the limit.
#[must_use]
pub fn memory(roots: &Roots, machine_bytes: u64) -> Option<Memory> {
    let known = groups(roots, "memory").into_iter().filter_map(|group| group.memory());
    let smaller = known.filter(|memory| memory.allowance.amount < machine_bytes as f64);
    smaller.max_by(|one, other| one.used_percent.total_cmp(&other.used_percent))
}

/// The processor time of the control group that may have the least; none where that is all that the machine has.
#[must_use]
pub fn processors(roots: &Roots) -> Option<Processors> {
    let online = fs::read_to_string(roots.sys.join("devices/system/cpu/online")).map_or(0, |list| listed(&list));
    let machine = if online == 0 { f64::INFINITY } else { f64::from(online) };
    let groups = groups(roots, "cpu").into_iter().chain(groups(roots, "cpuset"));
    let known = groups.filter_map(|group| Some((group.processors()?, group))).filter(|(count, _)| *count < machine);
    let (amount, group) = known.min_by(|(one, _), (other, _)| one.total_cmp(other))?;
    let used_microseconds = group.used_microseconds(roots)?;
    Some(Processors { allowance: Allowance { control_group: group.name, amount }, used_microseconds })
}

/// One control group, as far as one controller is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// What it is called: its path below the controller's root.
    pub name: String,
    /// Where its files are.
    pub directory: PathBuf,
    /// Whether it is of the second version.
    unified: bool,
}

impl Group {
    /// A number in one of its files; none where it says that there is no limit.
    #[must_use]
    pub fn number(&self, file: &str) -> Option<u64> {
        self.text(file)?.trim().parse().ok()
    }

    fn text(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.directory.join(file)).ok()
    }

    /// A number behind its name in one of its files: `inactive_file 4096`.
    fn entry(&self, file: &str, name: &str) -> Option<u64> {
        let text = self.text(file)?;
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(known, _)| *known == name).and_then(|(_, value)| value.trim().parse().ok())
    }

    fn memory(&self) -> Option<Memory> {
        let (limit, used, cache) = if self.unified {
            let limits = ["memory.max", "memory.high"].into_iter().filter_map(|file| self.number(file));
            (limits.min()?, self.number("memory.current")?, self.entry("memory.stat", "inactive_file"))
        } else {
            // A limit further up may be out of sight here: the kernel tells the narrowest of them.
            let above = self.entry("memory.stat", "hierarchical_memory_limit");
            let limit = self.number("memory.limit_in_bytes").into_iter().chain(above).min()?;
            (limit, self.number("memory.usage_in_bytes")?, self.entry("memory.stat", "total_inactive_file"))
        };
        let used = used.saturating_sub(cache.unwrap_or(0));
        let allowance = Allowance { control_group: self.name.clone(), amount: limit as f64 };
        Some(Memory { allowance, used_percent: percent(used, limit) })
    }

    /// How many processors it may use, by its quota or by its set.
    fn processors(&self) -> Option<f64> {
        // `50000 100000` or `max 100000`; in the first version each in a file of its own, and -1 for no limit.
        let files = if self.unified { &["cpu.max"][..] } else { &["cpu.cfs_quota_us", "cpu.cfs_period_us"] };
        let text: Vec<String> = files.iter().filter_map(|file| self.text(file)).collect();
        let words = text.iter().flat_map(|text| text.split_whitespace()).map(|word| word.parse::<f64>().ok());
        let quota = match words.collect::<Vec<_>>()[..] {
            [Some(quota), Some(period)] if quota > 0.0 && period > 0.0 => Some(quota / period),
            _ => None,
        };
        let set = ["cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"].into_iter();
        let set = set.filter_map(|file| self.text(file)).map(|list| listed(&list)).find(|count| *count > 0);
        quota.into_iter().chain(set.map(f64::from)).min_by(f64::total_cmp)
    }

    fn used_microseconds(&self, roots: &Roots) -> Option<u64> {
        if self.unified {
            return self.entry("cpu.stat", "usage_usec");
        }
        // In the first version another controller counts, which may have groups of its own.
        let counting = groups(roots, "cpuacct");
        let same = counting.iter().find(|group| group.name == self.name).or(counting.first())?;
        same.number("cpuacct.usage").map(|nanoseconds| nanoseconds / 1000)
    }
}

/// How many processors `0-2,5` are.
fn listed(list: &str) -> u32 {
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let last: u32 = last.parse().ok()?;
        Some(last.checked_sub(first.parse().ok()?)? + 1)
    };
    list.trim().split(',').filter_map(count).sum()
}

/// The control groups that this process is in, as far as this controller is concerned: its own, and all above it that can
/// be seen from here.
#[must_use]
pub fn groups(roots: &Roots, controller: &str) -> Vec<Group> {
    let text = |file: &str| fs::read_to_string(roots.proc.join("self").join(file)).unwrap_or_default();
    let (own, mounts) = (text("cgroup"), text("mountinfo"));
    let mut groups = Vec::new();
    for unified in [true, false] {
        let Some(path) = own_path(&own, if unified { None } else { Some(controller) }) else { continue };
        let mounts = mounts.lines().filter_map(Mount::read);
        let Some(mount) = mounts.into_iter().find(|mount| mount.carries(unified, controller)) else { continue };
        // In a container, the mount may begin at the own group, and the path at the machine's.
        let below = path.strip_prefix(&mount.root).or_else(|_| path.strip_prefix("/")).unwrap_or(Path::new(""));
        let place = match mount.place.strip_prefix("/sys") {
            Ok(rest) => roots.sys.join(rest),
            Err(_) => mount.place,
        };
        let there = below.ancestors().map(|below| (below, place.join(below)));
        groups.extend(there.filter(|(_, directory)| directory.is_dir()).map(|(below, directory)| Group {
            name: Path::new("/").join(below).display().to_string(),
            directory,
            unified,
        }));
    }
    groups
}

/// The path of the own group in `/proc/self/cgroup`: `0::/user.slice` of the second version, `4:memory:/x` of the first.
fn own_path(text: &str, controller: Option<&str>) -> Option<PathBuf> {
    let mut lines = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        Some((parts.next()?, parts.next()?))
    });
    let wanted = |names: &str| match controller {
        None => names.is_empty(),
        Some(controller) => names.split(',').any(|name| name == controller),
    };
    lines.find(|(names, _)| wanted(names)).map(|(_, path)| path.into())
}

/// A mounted hierarchy of control groups.
struct Mount {
    /// Which group it begins with.
    root: PathBuf,
    place: PathBuf,
    kind: String,
    options: String,
}

impl Mount {
    /// `30 25 0:27 /root /place rw,nosuid - cgroup cgroup rw,memory`
    fn read(line: &str) -> Option<Self> {
        let (mount, system) = line.split_once(" - ")?;
        let (mut mount, mut system) = (mount.split(' ').skip(3), system.split(' '));
        let (root, place) = (mount.next()?.into(), mount.next()?.into());
        let (kind, _, options) = (system.next()?.to_owned(), system.next()?, system.next()?.to_owned());
        Some(Self { root, place, kind, options })
    }

    fn carries(&self, unified: bool, controller: &str) -> bool {
        let (kind, options) = (self.kind.as_str(), self.options.as_str());
        if unified { kind == "cgroup2" } else { kind == "cgroup" && options.split(',').any(|each| each == controller) }
    }
}
