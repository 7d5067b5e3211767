//! Options are what a machine is opened with: where its database is, and settings on top of those in there.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use wnm_core::settings::{Config, Facts, Layers, NoHome, Occasion, Origins, base_dir, base_dirs, config_file, overlay};
use wnm_pm::process_manager::{ManagerKind, Mode};

use crate::Error;

/// The name of the database's file.
pub(crate) const DATABASE: &str = "colony.db";

/// What a machine is opened with.
#[derive(Debug, Clone)]
pub struct Options {
    facts: Facts,
    layers: Layers,
    database: Option<PathBuf>,
    takes_over: bool,
}

impl Options {
    /// This machine and this user, and nothing else: neither the environment nor a config file says anything.
    ///
    /// # Errors
    /// When this user has no home directory.
    pub fn new() -> Result<Self, NoHome> {
        Ok(Self { facts: Facts::gather()?, layers: Layers::default(), database: None, takes_over: false })
    }

    /// A machine of its own in this directory: its database, its nodes, their logs and the peers that they know.
    ///
    /// # Errors
    /// When this user has no home directory.
    pub fn in_directory(directory: &Path) -> Result<Self, NoHome> {
        let below = |name: &str| directory.join(name).to_string_lossy().into_owned();
        let options = Self::new()?.set("node_storage", below("node")).set("log_dir", below("log"));
        Ok(options.set("bootstrap_cache_dir", below("bootstrap-cache")).database(directory.join(DATABASE)))
    }

    /// With a setting for as long as the machine is open, or for good where it is initialised.
    #[must_use]
    pub fn set(self, name: &'static str, value: impl Into<String>) -> Self {
        self.settings([(name, value.into())])
    }

    /// With several settings, the last of each name counts.
    #[must_use]
    pub fn settings(mut self, settings: impl IntoIterator<Item = (impl Into<String>, String)>) -> Self {
        self.layers = self.layers.flags(settings);
        self
    }

    /// With the settings among these variables (`WNM_NODE_CAP`); `others` begin as settings' do and are none.
    #[must_use]
    pub fn environment(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>, others: &[&str]) -> Self {
        self.layers = self.layers.environment(variables, others);
        self
    }

    /// With the settings in a config file: this one, which must be there, or the usual one, if it is there.
    ///
    /// # Errors
    /// [`Error::ConfigFile`] when it cannot be read.
    pub fn config_file(mut self, path: Option<&Path>) -> Result<Self, Error> {
        let (path, required) = match path {
            Some(path) => (path.to_owned(), true),
            None => (config_file(&self.facts), false),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => self.layers = self.layers.file(&path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !required => {}
            Err(source) => return Err(Error::ConfigFile { path, source }),
        }
        Ok(self)
    }

    /// With the database in this file instead of the usual one.
    #[must_use]
    pub fn database(mut self, path: impl Into<PathBuf>) -> Self {
        self.database = Some(path.into());
        self
    }

    /// Initialises also where another database keeps its nodes in the same storage.
    #[must_use]
    pub fn take_over(mut self, takes_over: bool) -> Self {
        self.takes_over = takes_over;
        self
    }

    pub(crate) fn takes_over(&self) -> bool {
        self.takes_over
    }

    /// What is known of this machine and this user.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Where the database is: where it was said to be, or in the first usual place that has one.
    #[must_use]
    pub fn database_path(&self) -> PathBuf {
        if let Some(database) = &self.database {
            return database.clone();
        }
        let directories = base_dirs(&self.facts, self.named_mode()).into_iter();
        let places: Vec<PathBuf> = directories.map(|directory| directory.join(DATABASE)).collect();
        let existing = places.iter().find(|path| path.try_exists().unwrap_or(true));
        existing.or(places.first()).cloned().unwrap_or_else(|| PathBuf::from(DATABASE))
    }

    /// Where a new database belongs.
    #[must_use]
    pub fn new_database_path(&self, config: &Config) -> PathBuf {
        let usual = || base_dir(&self.facts, config.process_manager.mode).join(DATABASE);
        self.database.clone().unwrap_or_else(usual)
    }

    /// The settings of a machine that is not initialised yet.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn new_config(&self) -> Result<(Config, Origins), Error> {
        Ok(overlay(&self.facts, Occasion::Change, &self.layers)?)
    }

    pub(crate) fn overlay(
        &self,
        occasion: Occasion,
        changes: impl IntoIterator<Item = (String, String)>,
        recorded: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(Config, Origins), Error> {
        let layers = self.layers.clone().flags(changes).database(recorded);
        Ok(overlay(&self.facts, occasion, &layers)?)
    }

    fn named_mode(&self) -> Option<Mode> {
        let (text, _) = self.layers.winner("process_manager")?;
        text.trim().parse::<ManagerKind>().ok().map(|kind| kind.mode)
    }
}
