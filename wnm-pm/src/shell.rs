//! Words as a person types them at a shell. Nothing here reaches a shell by itself.

/// A path as a word of a shell.
pub fn word(path: &std::path::Path) -> String {
    let text = path.to_string_lossy();
    shlex::Quoter::new().allow_nul(true).quote(&text).map_or_else(|_| text.to_string(), std::borrow::Cow::into_owned)
}
