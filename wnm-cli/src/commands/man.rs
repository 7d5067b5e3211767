//! `wnm man` shows manual pages, and writes them for `man` to find. They follow from the arguments, so that no page is out of
//! date.

use std::fs;
use std::io::Write;
use std::path::Path;

use clap::Command;
use clap_mangen::Man;
use serde::Serialize;

use crate::arguments::command;
use crate::exit::{Exit, Failure};
use crate::output::Output;

#[derive(Serialize)]
struct Answer {
    directory: String,
    pages: Vec<String>,
}

/// Shows the page of wnm, or of a command, such as `config set`.
pub(crate) fn show(output: Output, words: &[String]) -> Result<Exit, Failure> {
    let page = page(words)?;
    let text = roff(&page)?;
    if !output.is_terminal() {
        return output.raw(&text).map(|()| Exit::Done);
    }
    let failed = |error: std::io::Error| Failure::Other(format!("cannot show a manual page: {error}"));
    let mut file = tempfile::Builder::new().prefix("wnm-").suffix(".1").tempfile().map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    if !has_shown(file.path()) {
        // Without `man` there is still the help, which says the same.
        output.raw(&page.clone().render_long_help().to_string())?;
    }
    Ok(Exit::Done)
}

/// Writes all pages: `wnm.1`, `wnm-status.1`, `wnm-config-set.1`, ….
pub(crate) fn write(output: Output, directory: &Path, dry_run: bool) -> Result<Exit, Failure> {
    let mut pages = Vec::new();
    gather(&whole(), &mut pages);
    let failed =
        |path: &Path, error: std::io::Error| Failure::Other(format!("cannot write {}: {error}", path.display()));
    if !dry_run {
        fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    }
    let mut names = Vec::new();
    for page in pages {
        let name = format!("{}.1", page.get_display_name().unwrap_or("wnm"));
        let path = directory.join(&name);
        let text = roff(&page)?;
        if !dry_run {
            fs::write(&path, text).map_err(|error| failed(&path, error))?;
        }
        names.push(name);
    }
    let answer = Answer { directory: directory.display().to_string(), pages: names };
    output.answer(&answer, || {
        let wrote = if dry_run { "Would write" } else { "Wrote" };
        format!("{wrote} {} pages into {}.\n", answer.pages.len(), answer.directory)
    })?;
    Ok(Exit::Done)
}

/// The command line with all that is global known to every command, each named as its page is.
fn whole() -> Command {
    let mut whole = command();
    whole.build();
    named(whole, None)
}

/// Names a command and all below it: `wnm-config-set`. Settings are on the first page only.
fn named(command: Command, above: Option<&str>) -> Command {
    let name = above.map_or_else(|| command.get_name().to_owned(), |above| format!("{above}-{}", command.get_name()));
    let is_first = above.is_none();
    let command = match is_first {
        true => command,
        false => command.mut_args(|argument| {
            let is_setting = argument.get_help_heading() == Some("Settings");
            if is_setting { argument.hide(true) } else { argument }
        }),
    };
    command.mut_subcommands(|below| named(below, Some(&name))).display_name(name)
}

fn gather(page: &Command, pages: &mut Vec<Command>) {
    pages.push(page.clone());
    // Help has no pages of its own: it shows those of others.
    let below = page.get_subcommands().filter(|below| below.get_name() != "help");
    below.for_each(|below| gather(below, pages));
}

fn page(words: &[String]) -> Result<Command, Failure> {
    let mut page = whole();
    for word in words.iter().flat_map(|word| word.split(' ')) {
        let below = page.find_subcommand(word).cloned();
        page = below.ok_or_else(|| {
            let hint = wnm::Hint::text("`wnm --help` lists the commands");
            Failure::usage_hint(format!("there is no command {}", words.join(" ")), hint)
        })?;
    }
    Ok(page)
}

fn roff(page: &Command) -> Result<String, Failure> {
    let name = page.get_display_name().unwrap_or("wnm").to_owned();
    let mut text = Vec::new();
    let version = format!("wnm {}", env!("CARGO_PKG_VERSION"));
    let page = Man::new(page.clone().disable_help_subcommand(true)).title(name).source(version).manual("wnm");
    page.render(&mut text).map_err(|error| Failure::Other(format!("cannot make a manual page: {error}")))?;
    String::from_utf8(text).map_err(|error| Failure::Other(error.to_string()))
}

/// Whether `man` has shown a page to the person at the terminal.
#[expect(clippy::disallowed_methods, reason = "a person reads it for as long as they like, at this terminal")]
fn has_shown(page: &Path) -> bool {
    std::process::Command::new("man").arg(page).status().is_ok_and(|status| status.success())
}
