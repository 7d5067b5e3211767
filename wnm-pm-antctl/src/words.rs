//! Words of antctl: what it hands on to a node, and what it would write into a unit file in another meaning.

use wnm_pm::node::NodeSpec;
use wnm_pm::process_manager::ManagerError;

/// Options of antnode that antctl hands on, and what antctl calls them; those with a value take exactly one.
const HANDED_ON: [(&str, &str, bool); 11] = [
    ("--alpha", "--alpha", false),
    ("--first", "--first", false),
    ("--ignore-cache", "--ignore-cache", false),
    ("--local", "--local", false),
    ("--relay", "--relay", false),
    ("--write-older-cache-files", "--write-older-cache-files", false),
    ("--ip", "--node-ip", true),
    ("--log-format", "--log-format", true),
    ("--network-contacts-url", "--network-contacts-url", true),
    ("--network-id", "--network-id", true),
    ("--peer", "--peer", true),
];

/// Whether an option that settings decide about takes a value; none for what antctl chooses itself.
pub(crate) fn takes_value(option: &str) -> Option<bool> {
    let own = [("--rewards-address", true), ("--no-upnp", false)];
    let handed_on = HANDED_ON.iter().map(|(name, _, takes_value)| (*name, *takes_value));
    own.into_iter().chain(handed_on).find(|(name, _)| *name == option).map(|(_, takes_value)| takes_value)
}

/// A word of a unit file's command line, where nothing is quoted.
pub(crate) fn word(what: &str, value: &str) -> Result<(), ManagerError> {
    let altered = |character: &char| {
        character.is_whitespace() || character.is_control() || matches!(character, '"' | '\'' | '\\' | '%' | '$')
    };
    match value.chars().find(altered) {
        Some(bad) => {
            Err(unusable(format!("{what} {value:?}"), &format!("antctl would write {bad:?} into a unit file unquoted")))
        }
        None => Ok(()),
    }
}

/// The owner's own arguments in antctl's words.
pub(crate) fn handed_on(spec: &NodeSpec) -> Result<Vec<String>, ManagerError> {
    let mut words = Vec::new();
    let mut given = spec.start_args.iter();
    while let Some(argument) = given.next() {
        let (option, glued) = match argument.split_once('=') {
            Some((option, value)) => (option, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let what = || format!("the argument {argument:?}");
        let known = HANDED_ON.iter().find(|(name, _, _)| *name == option);
        let Some((_, antctls, takes_value)) = known else {
            return Err(unusable(what(), "antctl has no option for it"));
        };
        if words.iter().any(|word| word == antctls) {
            return Err(unusable(what(), "antctl would join it with the one before"));
        }
        words.push((*antctls).to_owned());
        let value = if *takes_value { glued.or_else(|| given.next().cloned()) } else { glued };
        match (takes_value, value) {
            (false, None) => {}
            (true, Some(value)) => {
                word(option, &value)?;
                words.push(value);
            }
            (true, None) => return Err(unusable(what(), "its value is missing")),
            (false, Some(_)) => return Err(unusable(what(), "it takes no value")),
        }
    }
    Ok(words)
}

pub(crate) fn unusable(what: String, reason: &str) -> ManagerError {
    let reason = reason.to_owned();
    ManagerError::Unusable { what, reason }
}
