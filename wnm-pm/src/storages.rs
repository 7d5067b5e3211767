//! The directories that nodes' directories lie in, on one disk or on several.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::path_policy::resolve;

/// One storage or several, in the order in which their owner names them. There is always a first one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "OneOrMany", into = "OneOrMany")]
pub struct Storages {
    first: PathBuf,
    more: Vec<PathBuf>,
}

impl Storages {
    /// These storages; none where there is not one.
    #[must_use]
    pub fn new(paths: impl IntoIterator<Item = PathBuf>) -> Option<Self> {
        let mut paths = paths.into_iter();
        Some(Self { first: paths.next()?, more: paths.collect() })
    }

    /// The first one.
    #[must_use]
    pub fn first(&self) -> &Path {
        &self.first
    }

    /// All but the first one.
    #[must_use]
    pub fn more(&self) -> &[PathBuf] {
        &self.more
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Path> {
        std::iter::once(&self.first).chain(&self.more).map(PathBuf::as_path)
    }

    /// Whether there are several.
    #[must_use]
    pub fn is_several(&self) -> bool {
        !self.more.is_empty()
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, storage: &Path) -> bool {
        self.iter().any(|each| each == storage)
    }

    /// The storage that a path lies in, as both are written.
    #[must_use]
    pub fn of(&self, path: &Path) -> Option<&Path> {
        self.iter().find(|storage| path.starts_with(storage))
    }

    /// The same, and the first one for a path that lies in none.
    #[must_use]
    pub fn of_or_first(&self, path: &Path) -> &Path {
        self.of(path).unwrap_or(&self.first)
    }

    /// Whether a path lies below one of them, by whatever links both are reached.
    #[must_use]
    pub fn hold(&self, path: &Path) -> bool {
        let path = resolve(path);
        self.iter().any(|storage| path.starts_with(resolve(storage)))
    }

    /// With another one at the end, unless it is among them.
    #[must_use]
    pub fn with(&self, storage: &Path) -> Self {
        let mut storages = self.clone();
        if !storages.contains(storage) {
            storages.more.push(storage.to_owned());
        }
        storages
    }

    /// With another one right behind `from`, unless it is among them: it takes that one's place when that goes.
    #[must_use]
    pub fn with_behind(&self, from: &Path, storage: &Path) -> Self {
        if self.contains(storage) {
            return self.clone();
        }
        let both = self.iter().flat_map(|each| std::iter::once(each).chain((each == from).then_some(storage)));
        Self::new(both.map(Path::to_owned)).unwrap_or_else(|| Self::from(storage))
    }

    /// With `to` in the place of `from`, or without `from` where `to` is among them already.
    #[must_use]
    pub fn replacing(&self, from: &Path, to: &Path) -> Self {
        let has_both = self.contains(to);
        let kept = self.iter().filter(|storage| !(has_both && *storage == from));
        let renamed = kept.map(|storage| if storage == from { to } else { storage });
        Self::new(renamed.map(Path::to_owned)).unwrap_or_else(|| Self::from(to))
    }
}

impl From<PathBuf> for Storages {
    fn from(first: PathBuf) -> Self {
        Self { first, more: Vec::new() }
    }
}

impl From<&Path> for Storages {
    fn from(first: &Path) -> Self {
        first.to_owned().into()
    }
}

impl From<&str> for Storages {
    fn from(first: &str) -> Self {
        PathBuf::from(first).into()
    }
}

impl From<&PathBuf> for Storages {
    fn from(first: &PathBuf) -> Self {
        first.clone().into()
    }
}

/// One storage is written as a text, as it was when there could be no other.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(PathBuf),
    Many(Vec<PathBuf>),
}

impl From<Storages> for OneOrMany {
    fn from(storages: Storages) -> Self {
        match storages.is_several() {
            true => Self::Many(storages.iter().map(Path::to_owned).collect()),
            false => Self::One(storages.first),
        }
    }
}

impl TryFrom<OneOrMany> for Storages {
    type Error = &'static str;

    fn try_from(read: OneOrMany) -> Result<Self, Self::Error> {
        match read {
            OneOrMany::One(storage) => Ok(storage.into()),
            OneOrMany::Many(storages) => Self::new(storages).ok_or("there must be at least one storage"),
        }
    }
}

/// With commas between them.
impl fmt::Display for Storages {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.iter().map(Path::to_string_lossy).collect();
        formatter.write_str(&texts.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storages(paths: &[&str]) -> Storages {
        Storages::new(paths.iter().map(PathBuf::from)).expect("there is one")
    }

    #[test]
    fn one_takes_the_place_of_another_and_none_is_there_twice() {
        let both = storages(&["/a", "/b"]);
        assert_eq!(both.replacing("/a".as_ref(), "/c".as_ref()), storages(&["/c", "/b"]));
        assert_eq!(both.replacing("/a".as_ref(), "/b".as_ref()), storages(&["/b"]));
        assert_eq!(storages(&["/a"]).replacing("/a".as_ref(), "/c".as_ref()), storages(&["/c"]));
        assert_eq!(both.with("/b".as_ref()), both);
        assert_eq!(both.with("/c".as_ref()).to_string(), "/a,/b,/c");
        let meanwhile = both.with_behind("/a".as_ref(), "/c".as_ref());
        assert_eq!(meanwhile, storages(&["/a", "/c", "/b"]));
        assert_eq!(meanwhile.replacing("/a".as_ref(), "/c".as_ref()), storages(&["/c", "/b"]));
    }

    #[test]
    fn one_is_written_as_a_text_and_several_as_a_list() {
        for (storages, json) in [(storages(&["/a"]), "\"/a\""), (storages(&["/a", "/b"]), "[\"/a\",\"/b\"]")] {
            assert_eq!(serde_json::to_string(&storages).expect("it is plain data"), json);
            assert_eq!(serde_json::from_str::<Storages>(json).expect("it was just written"), storages);
        }
        assert!(serde_json::from_str::<Storages>("[]").is_err());
    }

    #[test]
    fn a_path_lies_in_one_of_them_or_in_none() {
        let both = storages(&["/a", "/ab"]);
        assert_eq!(both.of("/ab/antnode0001".as_ref()), Some("/ab".as_ref()));
        assert_eq!(both.of("/b".as_ref()), None);
        assert_eq!(both.of_or_first("/b".as_ref()), Path::new("/a"));
    }
}
