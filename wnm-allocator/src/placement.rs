//! A placement is the numbers that the next nodes get, in order.

use alloc::collections::BTreeSet;
use alloc::vec::{self, Vec};
use core::iter::{Chain, Peekable, from_fn};
use core::ops::RangeInclusive;

use crate::error::LayoutError;
use crate::group::{Blocks, Group};
use crate::port::HIGHEST_NUMBER;

/// How the number of the next node is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
pub enum Numbering {
    /// The lowest number not in use.
    FillGaps,
    /// One more than the highest ever used.
    NeverReuse,
    /// A number in the block of the group with the fewest nodes, of equals the lowest group: one more than the group's
    /// highest number in use, or its lowest free number once the end of its block is in use. When all groups are full,
    /// one more group.
    Blocks {
        /// The numbers in the block of a group.
        max_node_per_container: u32,
        /// The groups that there are from the start.
        min_container_count: u32,
        /// The groups that stand: a1 to this one, and further to the last that has nodes, as groups are opened in order.
        active_groups: u32,
    },
}

/// The numbers of the next `count` nodes, in order.
///
/// `used` are the numbers in use, in any order; `highest_number_used` is the highest that any node ever had. Which
/// groups the placement opens follows from [`Blocks::group_of`]. The cost grows as `used` and `count` do.
///
/// # Errors
///
/// As [`Placer::new`], and [`LayoutError::NumbersUsedUp`] where there are fewer than `count` numbers left.
pub fn place(
    numbering: &Numbering,
    used: &[u32],
    highest_number_used: u32,
    count: u32,
) -> Result<Vec<u32>, LayoutError> {
    let placer = Placer::new(numbering, used, highest_number_used, HIGHEST_NUMBER)?;
    let numbers: Vec<u32> = (0..count).zip(placer).map(|(_, number)| number).collect();
    match u32::try_from(numbers.len()) {
        Ok(possible) if possible < count => {
            Err(LayoutError::NumbersUsedUp { wanted: count, possible, highest_number: HIGHEST_NUMBER })
        }
        _ => Ok(numbers),
    }
}

/// The numbers of further nodes, one after the other, until no more is possible.
#[derive(Debug, Clone)]
pub struct Placer(Source);

#[derive(Debug, Clone)]
enum Source {
    FillGaps(Gaps),
    NeverReuse(RangeInclusive<u32>),
    Blocks(OpenGroups),
}

impl Placer {
    /// Places nodes as [`place`] does, none above `highest_number`: that of the layout, see
    /// [`crate::Layout::highest_number`]. Of groups, only those whose whole block lies below it are opened.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchNumber`] where number 0 is in use; of blocks also [`LayoutError::BlockSize`], and
    /// [`LayoutError::TooManyGroups`] where more groups stand than fit.
    pub fn new(
        numbering: &Numbering,
        used: &[u32],
        highest_number_used: u32,
        highest_number: u32,
    ) -> Result<Self, LayoutError> {
        let highest_number = highest_number.min(HIGHEST_NUMBER);
        let mut used = used.to_vec();
        used.sort_unstable();
        used.dedup();
        if used.first() == Some(&0) {
            return Err(LayoutError::NoSuchNumber { number: 0 });
        }
        Ok(Self(match *numbering {
            Numbering::FillGaps => Source::FillGaps(Gaps::new(1..=highest_number, used)),
            Numbering::NeverReuse => {
                let highest = used.last().map_or(highest_number_used, |&last| last.max(highest_number_used));
                Source::NeverReuse(highest.saturating_add(1)..=highest_number)
            }
            Numbering::Blocks { max_node_per_container, min_container_count, active_groups } => {
                let blocks = Blocks::new(max_node_per_container, min_container_count)?;
                let active_groups = active_groups.max(min_container_count);
                let possible = blocks.fit(active_groups, highest_number)?;
                Source::Blocks(OpenGroups::new(blocks, active_groups, possible, used))
            }
        }))
    }
}

impl Iterator for Placer {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match &mut self.0 {
            Source::FillGaps(gaps) => gaps.next(),
            Source::NeverReuse(numbers) => numbers.next(),
            Source::Blocks(groups) => groups.next(),
        }
    }
}

/// The numbers of a range that are not in use, the lowest first.
#[derive(Debug, Clone)]
struct Gaps {
    range: RangeInclusive<u32>,
    used: Peekable<vec::IntoIter<u32>>,
}

impl Gaps {
    /// `used` is sorted, without duplicates, and does not begin before the range.
    fn new(range: RangeInclusive<u32>, used: Vec<u32>) -> Self {
        Self { range, used: used.into_iter().peekable() }
    }
}

impl Iterator for Gaps {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let used = &mut self.used;
        self.range.find(|number| used.next_if_eq(number).is_none())
    }
}

/// The groups that stand, and what each can still hand out.
#[derive(Debug, Clone)]
struct OpenGroups {
    blocks: Blocks,
    /// How many groups there can be.
    possible: u32,
    /// What each group hands out, from a1 on: first what follows its highest number in use, then the gaps below that.
    free: Vec<Chain<RangeInclusive<u32>, Gaps>>,
    /// The groups that are not full, as node count and place in `free`: the first is the next to get a node.
    by_node_count: BTreeSet<(u32, usize)>,
}

impl OpenGroups {
    /// `used` is sorted, without duplicates. What lies past the possible groups takes no room in any of them.
    fn new(blocks: Blocks, active_groups: u32, possible: u32, used: Vec<u32>) -> Self {
        let mut groups = Self { blocks, possible, free: Vec::new(), by_node_count: BTreeSet::new() };
        let mut used = used.into_iter().peekable();
        while groups.count() < active_groups || (groups.count() < possible && used.peek().is_some()) {
            groups.open(&mut used);
        }
        groups
    }

    /// How many groups stand.
    fn count(&self) -> u32 {
        self.free.len() as u32
    }

    /// Opens the next group, which takes from the numbers in use those that lie in its block.
    fn open(&mut self, used: &mut Peekable<vec::IntoIter<u32>>) {
        let block = self.blocks.numbers_of(Group(self.count() + 1));
        let used: Vec<u32> = from_fn(|| used.next_if(|number| number <= block.end())).collect();
        let node_count = used.len() as u32;
        if node_count < self.blocks.max_node_per_container() {
            self.by_node_count.insert((node_count, self.free.len()));
        }
        let after_highest = used.last().map_or(*block.start(), |highest| highest + 1);
        let gaps = Gaps::new(*block.start()..=after_highest - 1, used);
        self.free.push((after_highest..=*block.end()).chain(gaps));
    }

    fn next(&mut self) -> Option<u32> {
        if self.by_node_count.is_empty() && self.count() < self.possible {
            self.open(&mut Vec::new().into_iter().peekable());
        }
        let (node_count, index) = self.by_node_count.pop_first()?;
        if node_count + 1 < self.blocks.max_node_per_container() {
            self.by_node_count.insert((node_count + 1, index));
        }
        self.free[index].next()
    }
}
