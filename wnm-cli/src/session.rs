//! What was given on the command line, in the environment and in the config file, and the machine that it opens.

use std::sync::Arc;

use wnm::{Machine, Options, Progress};

use crate::arguments::{Common, Flags};
use crate::exit::Failure;
use crate::progress::Watch;

/// Variables that begin as settings' do and are none.
const OTHER_VARIABLES: &[&str] = &["WNM_DATABASE", "WNM_CONFIG", "WNM_LOG", "WNM_TOOLS", "WNM_ANTNODE", "WNM_ANTCTL"];

/// Whether a command may change the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It only looks: no lock is needed.
    Read,
    /// It may change things: nobody else may at the same time.
    Change,
}

/// What was given on the command line, in the environment and in the config file.
pub(crate) struct Given {
    pub options: Options,
    silent: bool,
    listener: Arc<dyn Progress>,
}

impl Given {
    /// Reads the environment and the config file.
    pub(crate) fn gather(common: &Common, flags: Flags, listener: &Arc<dyn Progress>) -> Result<Self, Failure> {
        let options = Options::new()?
            .settings(flags)
            .environment(std::env::vars_os(), OTHER_VARIABLES)
            .config_file(common.config.as_deref())?;
        let options = match &common.database {
            Some(database) => options.database(database),
            None => options,
        };
        Ok(Self { options, silent: common.quiet || common.json, listener: Arc::clone(listener) })
    }

    /// Shows a person at a terminal what wnm is doing from now on.
    pub(crate) fn watch(&self) -> Watch {
        Watch::begin(self.silent, &self.listener)
    }

    /// Opens the machine.
    pub(crate) fn open(&self, access: Access, progress: &dyn Progress) -> Result<Machine, Failure> {
        Ok(match access {
            Access::Read => Machine::open_read_only(&self.options, progress)?,
            Access::Change => Machine::open(&self.options, progress)?,
        })
    }
}
