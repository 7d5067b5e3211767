//! The store, held to what its events promise, to a model in memory, and to an operator's bad days.

mod crash;
mod events;
mod history;
mod life;
mod model;
mod rows;
mod schemas;
mod storage;
mod strangers;

use std::path::PathBuf;

use tempfile::TempDir;
use wnm_core::event::Event;
use wnm_core::store::{Problem, Store};

/// A record in a directory of its own, not yet told anything.
struct Scratch {
    store: Store,
    path: PathBuf,
    directory: TempDir,
}

fn scratch() -> Scratch {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("colony.db");
    let store = Store::create(&path).expect("a new database");
    Scratch { store, path, directory }
}

impl Scratch {
    fn apply(&mut self, events: &[Event]) {
        self.store.apply(rows::NOW, events).expect("it is recorded");
    }

    /// What is wrong with these events; nothing of them may be recorded then.
    fn refused(&mut self, events: &[Event]) -> Problem {
        let before = self.store.load().expect("the database is read");
        let problem = self.store.apply(rows::NOW, events).expect_err("it is refused").problem;
        assert_eq!(self.store.load().expect("the database is read"), before, "a refused slice changes nothing");
        problem
    }
}
