//! The owner pauses the cycles, and ends that.

use super::{CycleError, Machine};
use crate::event::Event;
use crate::pause::CyclePause;
use crate::store::StoreError;

/// What the owner's word on the cycles has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseChange {
    /// The pause that held before.
    pub before: Option<CyclePause>,
    /// The pause that holds now.
    pub after: Option<CyclePause>,
}

impl Machine {
    /// The owner's pause of the cycles, while it lasts.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn cycle_pause(&self) -> Result<Option<CyclePause>, StoreError> {
        let now = self.parts.clock.now();
        Ok(self.parts.store.load()?.pause.filter(|pause| !pause.is_over(now)))
    }

    /// Pauses the cycles, for so many seconds or until they are resumed. Where they are paused already, time and reason change.
    /// With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When the reason is not a line of text, or the database cannot be written.
    pub fn pause_cycles(
        &mut self,
        seconds: Option<u64>,
        reason: Option<&str>,
        dry_run: bool,
    ) -> Result<PauseChange, CycleError> {
        let before = self.cycle_pause()?;
        let asked = CyclePause::new(self.parts.clock.now(), seconds, reason)?;
        let after = before.as_ref().map_or_else(|| asked.clone(), |before| before.changed_to(asked.clone()));
        if !dry_run && before.as_ref() != Some(&after) {
            self.record_pause(Event::Paused { pause: after.clone() })?;
        }
        Ok(PauseChange { before, after: Some(after) })
    }

    /// Ends the pause of the cycles, where there is one. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn resume_cycles(&mut self, dry_run: bool) -> Result<PauseChange, CycleError> {
        let before = self.cycle_pause()?;
        if !dry_run && before.is_some() {
            self.record_pause(Event::Resumed { expired: false })?;
        }
        Ok(PauseChange { before, after: None })
    }

    /// Records it; before it, the end of a pause whose time has passed.
    fn record_pause(&mut self, event: Event) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        let is_over = self.parts.store.load()?.pause.is_some_and(|pause| pause.is_over(now));
        let over = is_over.then_some(Event::Resumed { expired: true });
        self.parts.store.begin_cycle();
        self.parts.store.apply(now, &over.into_iter().chain([event]).collect::<Vec<_>>())
    }
}
