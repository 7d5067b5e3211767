//! A wallet is an address that a node earns for; one of several is drawn for each node, by weight.

use std::fmt;
use std::str::FromStr;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use wnm_pm::hint::{Hint, Hinted};

/// An address of the payment network: `0x` and 40 hexadecimal digits, written with its EIP-55 checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(alloy_primitives::Address);

/// The address that the word `faucet` stands for, and what `donate` stands for unless `donate_address` is set.
pub const FAUCET: Address = Address(alloy_primitives::address!("0x00455d78f850b0358E8cea5be24d415E01E107CF"));

/// Why a text is no wallet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Not an address.
    #[error("{0:?} is not a valid address: it must be 0x and 40 hexadecimal digits")]
    NoAddress(String),
    /// Neither an address nor a known word.
    #[error("{0:?} is not a valid wallet: it must be 0x and 40 hexadecimal digits, faucet or donate")]
    NoWallet(String),
    /// Upper and lower case letters say what the digits do not: some character is wrong.
    #[error(
        "{given} has a wrong checksum, so some character in it is wrong (with these digits it would be {checksummed})"
    )]
    Checksum {
        /// As it was given.
        given: String,
        /// The same digits with their right checksum.
        checksummed: String,
    },
    /// An address that nobody has a key for.
    #[error("{0} is an address that nobody has a key for")]
    Burned(String),
    /// There is no wallet at all, or nothing between two commas.
    #[error("a wallet is missing {0}")]
    Missing(&'static str),
    /// The weight after the colon is no weight.
    #[error("{wallet} has the weight {weight:?}: it must be a whole number from 1 to {max}", max = u32::MAX)]
    Weight {
        /// The wallet.
        wallet: String,
        /// As it was given.
        weight: String,
    },
    /// A wallet stands in the list twice.
    #[error("{0} is in the list twice")]
    Twice(String),
}

impl Hinted for WalletError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Checksum { .. } => {
                vec![Hint::text("copy the address again: what is earned for a mistyped address is lost")]
            }
            Self::Burned(_) => {
                vec![Hint::text("name an address of a wallet of your own: what is earned there is lost")]
            }
            _ => vec![],
        }
    }
}

/// Whether nobody can have the key of an address: it was chosen, not made from a key, to burn what is sent there or to
/// stand for something else. Those that everybody uses are small numbers (0, the contracts that are built in, `…dEaD`), one
/// byte or one word over and over, and `dead` in front of zeros or of a joke. The payment network's own contracts keep for
/// ever what they are sent, too.
fn is_burned(address: &alloy_primitives::Address) -> bool {
    let bytes = address.as_slice();
    let small = bytes[..16].iter().all(|byte| *byte == 0);
    let large = bytes[4..].iter().all(|byte| *byte == 0);
    let repeats = |length: usize| bytes.iter().zip(&bytes[length..]).all(|(byte, next)| byte == next);
    small || large || repeats(1) || repeats(2) || repeats(4) || NOBODYS.contains(address)
}

/// A joke, and the contracts of the two payment networks: token, payments, Merkle payments.
const NOBODYS: [alloy_primitives::Address; 7] = [
    alloy_primitives::address!("0xdEAD000000000000000042069420694206942069"),
    alloy_primitives::address!("0xa78d8321B20c4Ef90eCd72f2588AA985A4BDb684"),
    alloy_primitives::address!("0xB1b5219f8Aaa18037A2506626Dd0406a46f70BcC"),
    alloy_primitives::address!("0x8c20E9A6e5e2aA038Ed463460E412B669fE712Aa"),
    alloy_primitives::address!("0x4bc1aCE0E66170375462cB4E6Af42Ad4D5EC689C"),
    alloy_primitives::address!("0x7f0842a78f7d4085d975ba91d630d680f91b1295"),
    alloy_primitives::address!("0x393F6825C248a29295A7f9Bfa03e475decb44dc0"),
];

impl FromStr for Address {
    type Err = WalletError;

    /// Takes mixed case only with the right checksum, all-lower and all-upper digits without.
    fn from_str(text: &str) -> Result<Self, WalletError> {
        let none = || WalletError::NoAddress(text.to_owned());
        let digits = text
            .strip_prefix("0x")
            .filter(|digits| digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .ok_or_else(none)?;
        let address: alloy_primitives::Address = digits.parse().map_err(|_| none())?;
        let mixed =
            digits.contains(|c: char| c.is_ascii_lowercase()) && digits.contains(|c: char| c.is_ascii_uppercase());
        let checksummed = address.to_checksum(None);
        if mixed && checksummed != text {
            return Err(WalletError::Checksum { given: text.to_owned(), checksummed });
        }
        if is_burned(&address) {
            return Err(WalletError::Burned(checksummed));
        }
        Ok(Self(address))
    }
}

impl TryFrom<String> for Address {
    type Error = WalletError;

    fn try_from(text: String) -> Result<Self, WalletError> {
        text.parse()
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0.to_checksum(None))
    }
}

/// Who gets a share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recipient {
    Address(Address),
    Faucet,
    Donate,
}

impl FromStr for Recipient {
    type Err = WalletError;

    fn from_str(text: &str) -> Result<Self, WalletError> {
        match text {
            word if word.eq_ignore_ascii_case("faucet") => Ok(Self::Faucet),
            word if word.eq_ignore_ascii_case("donate") => Ok(Self::Donate),
            other => match other.parse() {
                Err(WalletError::NoAddress(text)) => Err(WalletError::NoWallet(text)),
                address => address.map(Self::Address),
            },
        }
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(formatter),
            Self::Faucet => formatter.write_str("faucet"),
            Self::Donate => formatter.write_str("donate"),
        }
    }
}

/// The wallets of a machine with their weights; never empty, and no weight is zero.
///
/// `faucet` and `donate` stay words in it, so that a later change of `donate_address` reaches nodes that are yet to come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Wallets {
    shares: Vec<(Recipient, u32)>,
    donate: Address,
}

/// How wallets are serialised: as they are written in the settings, with what `donate` stands for.
#[derive(Serialize, Deserialize)]
struct Written {
    wallets: String,
    donate: Address,
}

impl TryFrom<Written> for Wallets {
    type Error = WalletError;

    fn try_from(written: Written) -> Result<Self, WalletError> {
        Self::parse(&written.wallets, &written.donate)
    }
}

/// One address for all nodes.
impl From<Address> for Wallets {
    fn from(address: Address) -> Self {
        Self { shares: vec![(Recipient::Address(address), 1)], donate: address }
    }
}

impl From<Wallets> for Written {
    fn from(wallets: Wallets) -> Self {
        Self { wallets: wallets.to_string(), donate: wallets.donate }
    }
}

impl Wallets {
    /// Reads one wallet or a list with weights: `0xA…`, `faucet`, `0xA…:100,faucet:1`. A wallet without a weight has 1.
    ///
    /// `donate` is what the word `donate` stands for.
    ///
    /// # Errors
    /// The first thing in the text that is not as it must be.
    pub fn parse(text: &str, donate: &Address) -> Result<Self, WalletError> {
        if text.trim().is_empty() {
            return Err(WalletError::Missing("altogether"));
        }
        let mut shares: Vec<(Recipient, u32)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            if part.is_empty() {
                return Err(WalletError::Missing("before or after a comma"));
            }
            let (recipient, weight) = share(part)?;
            if shares.iter().any(|(known, _)| *known == recipient) {
                return Err(WalletError::Twice(recipient.to_string()));
            }
            shares.push((recipient, weight));
        }
        Ok(Self { shares, donate: *donate })
    }

    /// The same wallets with something else for the word `donate`.
    #[must_use]
    pub fn with_donate(self, donate: Address) -> Self {
        Self { donate, ..self }
    }

    /// The wallet of one node, drawn by weight: always the same for the same seed and number.
    #[must_use]
    pub fn draw(&self, seed: u64, number: u32) -> Address {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        dice.set_stream(u64::from(number));
        let total: u128 = self.shares.iter().map(|(_, weight)| u128::from(*weight)).sum();
        // Scales 64 random bits to 0..total; what it favours anyone by is total / 2^64, nothing anybody could see.
        let mut rest = (u128::from(dice.next_u64()) * total) >> 64;
        for (recipient, weight) in &self.shares {
            if rest < u128::from(*weight) {
                return self.resolve(*recipient);
            }
            rest -= u128::from(*weight);
        }
        unreachable!("what is left of a number below the sum is below the last weight")
    }

    /// The wallets with their weights, as they were given, words replaced by what they stand for.
    pub fn shares(&self) -> impl Iterator<Item = (Address, u32)> + '_ {
        self.shares.iter().map(|(recipient, weight)| (self.resolve(*recipient), *weight))
    }

    /// The words among them that stand for addresses of others, with these addresses.
    pub fn of_others(&self) -> impl Iterator<Item = (&'static str, Address)> + '_ {
        self.shares.iter().filter_map(|(recipient, _)| match recipient {
            Recipient::Address(_) => None,
            Recipient::Faucet => Some(("faucet", FAUCET)),
            Recipient::Donate => Some(("donate", self.donate)),
        })
    }

    fn resolve(&self, recipient: Recipient) -> Address {
        match recipient {
            Recipient::Address(address) => address,
            Recipient::Faucet => FAUCET,
            Recipient::Donate => self.donate,
        }
    }
}

/// Reads `wallet` or `wallet:weight`.
fn share(part: &str) -> Result<(Recipient, u32), WalletError> {
    let Some((wallet, weight)) = part.rsplit_once(':') else {
        return Ok((part.parse()?, 1));
    };
    let recipient: Recipient = wallet.trim().parse()?;
    match weight.trim().parse() {
        Ok(weight) if weight > 0 => Ok((recipient, weight)),
        _ => Err(WalletError::Weight { wallet: recipient.to_string(), weight: weight.trim().to_owned() }),
    }
}

impl fmt::Display for Wallets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [(recipient, 1)] = self.shares[..] {
            return recipient.fmt(formatter);
        }
        for (index, (recipient, weight)) in self.shares.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(formatter, "{comma}{recipient}:{weight}")?;
        }
        Ok(())
    }
}
