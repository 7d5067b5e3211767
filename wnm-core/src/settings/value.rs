//! A value knows how it is read from the one text form that all layers share, and how it is written back.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use super::choice::{FirewallKind, NodeFlavour};
use super::setting::{Setting, Shape};
use crate::wallet::{Address, FAUCET, WalletError, Wallets};
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::process_manager::ManagerKind;
use wnm_pm::storages::Storages;

/// A type that a setting may have. What `text` writes, `read` reads as the same value.
pub(super) trait Value: Sized + PartialEq {
    /// What its text looks like.
    const SHAPE: Shape;
    /// Whether an empty text means that there is none.
    const OPTIONAL: bool = false;

    /// Reads a text, or says what is wrong with it. `home` stands in for a leading `~`.
    fn read(text: &str, setting: &Setting, home: &str) -> Result<Self, String>;

    /// What can be done about a text that `read` refused.
    fn hint(_: &str) -> Option<Hint> {
        None
    }

    /// The text that `read` reads as this value.
    fn text(&self) -> String;
}

/// Where the value of each setting is to be had.
pub(super) trait Source {
    /// The value of a setting. When it cannot be had, the source keeps what is wrong and returns a stand-in.
    fn read<V: Value>(&mut self, setting: &'static Setting) -> V;
}

impl Setting {
    /// The declaration with its name, its help and what its type knows.
    pub(super) const fn named<V: Value>(self, name: &'static str, help: &'static str) -> Self {
        Self { name, help, shape: V::SHAPE, optional: V::OPTIONAL, ..self }
    }
}

fn must_be(setting: &Setting) -> String {
    format!("must be {}", setting.expects())
}

/// Numbers: what cannot be read and what is out of bounds get the same answer, with the bounds.
macro_rules! numbers {
    ($($kind:ty: $shape:ident, $figure:expr;)+) => {$(
        impl Value for $kind {
            const SHAPE: Shape = Shape::$shape;

            fn read(text: &str, setting: &Setting, _: &str) -> Result<Self, String> {
                let number = text.trim().parse::<$kind>().ok();
                number.filter(|number| setting.allows($figure(*number))).ok_or_else(|| must_be(setting))
            }

            fn text(&self) -> String {
                self.to_string()
            }
        }
    )+};
}

// Bounds stay far below 2^53, where every whole number is exact as a floating-point number.
#[expect(clippy::cast_precision_loss, reason = "out of bounds long before it loses a digit")]
const fn figure(number: u64) -> f64 {
    number as f64
}

numbers! {
    u16: WholeNumber, f64::from;
    u32: WholeNumber, f64::from;
    u64: WholeNumber, figure;
    f64: Number, f64::from;
}

impl<V: Value> Value for Option<V> {
    const SHAPE: Shape = V::SHAPE;
    const OPTIONAL: bool = true;

    fn read(text: &str, setting: &Setting, home: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(None);
        }
        V::read(text, setting, home).map(Some)
    }

    fn hint(text: &str) -> Option<Hint> {
        V::hint(text)
    }

    fn text(&self) -> String {
        self.as_ref().map_or(String::new(), V::text)
    }
}

impl Value for bool {
    const SHAPE: Shape = Shape::Switch;

    fn read(text: &str, _: &Setting, _: &str) -> Result<Self, String> {
        match text.trim().to_ascii_lowercase().as_str() {
            "true" | "yes" | "1" => Ok(true),
            "false" | "no" | "0" => Ok(false),
            _ => Err("must be true, yes or 1, or else false, no or 0".to_owned()),
        }
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Value for PathBuf {
    const SHAPE: Shape = Shape::Path;

    fn read(text: &str, _: &Setting, home: &str) -> Result<Self, String> {
        if text.chars().any(char::is_control) {
            return Err("must be a path without control characters".to_owned());
        }
        let path = match text.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{home}{rest}"),
            _ => text.to_owned(),
        };
        let path = Path::new(&path);
        if !path.is_absolute() {
            return Err("must be an absolute path (or begin with ~/)".to_owned());
        }
        if path.components().any(|component| component == Component::ParentDir) {
            return Err("must be a path without ..".to_owned());
        }
        // Doubled, trailing and dotted parts go, so that equal places are equal texts.
        Ok(path.components().collect())
    }

    fn text(&self) -> String {
        self.to_string_lossy().into_owned()
    }
}

impl Value for Storages {
    const SHAPE: Shape = Shape::Paths;

    fn read(text: &str, setting: &Setting, home: &str) -> Result<Self, String> {
        let paths = pieces(text).map(|piece| PathBuf::read(piece, setting, home)).collect::<Result<Vec<_>, _>>()?;
        Self::new(paths).ok_or_else(|| must_be(setting))
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

/// The storages that a recorded `node_storage` names; none where the text cannot be read.
#[must_use]
pub fn storages_in(text: &str) -> Option<Storages> {
    let setting = super::table::lookup("node_storage")?;
    // What is recorded names no home directory.
    Storages::read(text, setting, "/").ok()
}

/// A text cut at each comma that a path begins behind: other commas are part of a path.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let begins = |rest: &str| rest.starts_with('/') || rest.starts_with("~/");
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let mut commas = whole.match_indices(',').map(|(at, _)| (at, whole[at + 1..].trim_start_matches(' ')));
        match commas.find(|(_, behind)| begins(behind)) {
            Some((at, behind)) => {
                rest = Some(behind);
                Some(&whole[..at])
            }
            None => rest.take(),
        }
    })
}

impl Value for String {
    const SHAPE: Shape = Shape::Text;

    fn read(text: &str, setting: &Setting, _: &str) -> Result<Self, String> {
        // Such a text is a word to every program it is handed to, and never an option.
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+/:@".contains(c);
        if text.is_empty() || text.starts_with('-') || !text.chars().all(plain) {
            return Err(format!("{}, not beginning with -", must_be(setting)));
        }
        Ok(text.to_owned())
    }

    fn text(&self) -> String {
        self.clone()
    }
}

impl Value for IpAddr {
    const SHAPE: Shape = Shape::IpAddress;

    fn read(text: &str, _: &Setting, _: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|_| "must be an IP address such as 127.0.0.1 (names are not looked up)".to_owned())
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Value for Address {
    const SHAPE: Shape = Shape::Address;

    fn read(text: &str, _: &Setting, _: &str) -> Result<Self, String> {
        text.trim().parse().map_err(|error: WalletError| error.to_string())
    }

    fn hint(text: &str) -> Option<Hint> {
        text.trim().parse::<Self>().err()?.hints().pop()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Value for Wallets {
    const SHAPE: Shape = Shape::Wallets;

    /// The word `donate` gets its meaning afterwards, when `donate_address` is known too.
    fn read(text: &str, _: &Setting, _: &str) -> Result<Self, String> {
        Self::parse(text, &FAUCET).map_err(|error| error.to_string())
    }

    fn hint(text: &str) -> Option<Hint> {
        Self::parse(text, &FAUCET).err()?.hints().pop()
    }

    fn text(&self) -> String {
        self.to_string()
    }
}

impl Value for Vec<String> {
    const SHAPE: Shape = Shape::Words;

    fn read(text: &str, _: &Setting, _: &str) -> Result<Self, String> {
        if text.contains('\0') {
            return Err("must be free of NUL characters".to_owned());
        }
        shlex::split(text).ok_or_else(|| "has a quote or a backslash that is never finished".to_owned())
    }

    fn text(&self) -> String {
        join(self.iter().map(String::as_str))
    }
}

impl Value for BTreeSet<u32> {
    const SHAPE: Shape = Shape::WholeNumbers;
    const OPTIONAL: bool = true;

    fn read(text: &str, setting: &Setting, _: &str) -> Result<Self, String> {
        text.split_whitespace().map(|word| u32::read(word, setting, "")).collect::<Result<_, _>>()
    }

    fn text(&self) -> String {
        self.iter().map(u32::to_string).collect::<Vec<_>>().join(" ")
    }
}

impl Value for Vec<(String, String)> {
    const SHAPE: Shape = Shape::Assignments;

    fn read(text: &str, setting: &Setting, home: &str) -> Result<Self, String> {
        let mut assignments: Self = Vec::new();
        for word in Vec::<String>::read(text, setting, home)? {
            let (name, value) =
                word.split_once('=').ok_or_else(|| format!("{word:?} is not of the form NAME=value"))?;
            if !is_variable_name(name) {
                return Err(format!("{name:?} is not the name of an environment variable"));
            }
            if assignments.iter().any(|(known, _)| known == name) {
                return Err(format!("{name} is set twice"));
            }
            assignments.push((name.to_owned(), value.to_owned()));
        }
        Ok(assignments)
    }

    fn text(&self) -> String {
        let words: Vec<String> = self.iter().map(|(name, value)| format!("{name}={value}")).collect();
        join(words.iter().map(String::as_str))
    }
}

fn is_variable_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Words as one text that splits into the same words.
pub(crate) fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    shlex::Quoter::new().allow_nul(true).join(words).expect("nothing but NUL is ever refused, and it is allowed here")
}

/// Types with an `ALL` of words and values.
macro_rules! choices {
    ($($kind:ty),+) => {$(
        impl Value for $kind {
            const SHAPE: Shape = Shape::Choice(&{
                let mut words = [""; <$kind>::ALL.len()];
                let mut index = 0;
                while index < words.len() {
                    words[index] = <$kind>::ALL[index].0;
                    index += 1;
                }
                words
            });

            fn read(text: &str, setting: &Setting, _: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().find(|(word, _)| *word == text.trim());
                found.map(|(_, value)| *value).ok_or_else(|| must_be(setting))
            }

            fn text(&self) -> String {
                let found = Self::ALL.iter().find(|(_, value)| value == self);
                found.map_or(String::new(), |(word, _)| (*word).to_owned())
            }
        }
    )+};
}

choices!(ManagerKind, ContainerNetwork, FirewallKind, NodeFlavour);
