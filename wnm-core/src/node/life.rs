//! A node's life as one state machine: what it is, what its owner wants of it, what is pending on it, and how often
//! something failed. It changes by [`Transition`]s alone, so a contradictory one cannot come about.

use crate::report::PROCESS_GONE;

use super::{
    Contradiction, Desired, End, Evidence, Found, Impossible, Intent, Status, StoredNode, Transition, UnixSeconds, Verb,
};

const FIRST_BACK_OFF_SECONDS: UnixSeconds = 60;
/// The longest time for which a node that failed to start is left alone.
pub(crate) const LONGEST_BACK_OFF_SECONDS: UnixSeconds = 3600;

/// A node that was up for so long has recovered from whatever it fell of before.
const RECOVERED_SECONDS: UnixSeconds = 3600;

/// When to try again after this many failures in a row: a minute, then twice as long each time, an hour at most.
#[must_use]
pub fn back_off(now: UnixSeconds, failures: u32) -> UnixSeconds {
    let doublings = failures.saturating_sub(1).min(10);
    now.saturating_add((FIRST_BACK_OFF_SECONDS << doublings).min(LONGEST_BACK_OFF_SECONDS))
}

/// A node's life. These hold at every moment:
///
/// - DISABLED and unmanaged are the same.
/// - A pending add is a STOPPED node's, a pending removal a REMOVING one's, pending disabling and enabling a DISABLED
///   one's, which has nothing else pending; DEAD and MIGRATING nodes have nothing pending.
/// - RUNNING and RESTARTING nodes have been up, a STARTING one has not.
/// - A RUNNING node has no failures, no time to wait for and no last error, or all three: then a step on it failed.
/// - One on its way up waits for another time than its delay only after a step on it failed.
/// - Only a STOPPED node returns with its machine.
/// - A DISABLED node waits for a time only while its disabling is pending, DEAD and MIGRATING ones never do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Life {
    status: Status,
    status_since: UnixSeconds,
    desired: Desired,
    pending: Option<Verb>,
    failures: u32,
    falls: u32,
    retry_at: Option<UnixSeconds>,
    last_error: Option<String>,
    has_run: bool,
    comes_back: bool,
}

impl Life {
    /// What it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// When it got that status.
    #[must_use]
    pub fn status_since(&self) -> UnixSeconds {
        self.status_since
    }

    /// What its owner wants of it.
    #[must_use]
    pub fn desired(&self) -> Desired {
        self.desired
    }

    /// What was begun on it and has no recorded outcome.
    #[must_use]
    pub fn pending(&self) -> Option<Verb> {
        self.pending
    }

    /// How often in a row a step on it failed, or it did not come up.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// How often in a row it fell: its process ended although it should run, or could not be started. A node that was up for
    /// an hour since has recovered; so has one whose owner started it, or that got another program.
    #[must_use]
    pub fn falls(&self) -> u32 {
        self.falls
    }

    /// Whether it fell so often in a row that only its owner starts it again; never where `broken_after` is 0.
    #[must_use]
    pub fn is_broken(&self, broken_after: u32) -> bool {
        self.status == Status::Stopped && self.desired == Desired::Run && broken_after > 0 && self.falls >= broken_after
    }

    /// Whether it went down with its machine, and has not been started since.
    #[must_use]
    pub fn comes_back(&self) -> bool {
        self.comes_back
    }

    /// When it is tried again: a STOPPED node is not started by itself before, a REMOVING one's files are deleted then, and
    /// one on its way up is checked then instead of after its delay.
    #[must_use]
    pub fn retry_at(&self) -> Option<UnixSeconds> {
        self.retry_at
    }

    /// Why the last step on it failed, or what is wrong with it.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    /// Whether it has ever been seen up.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.has_run
    }

    /// Whether its owner stopped it, so that only its owner starts it again.
    #[must_use]
    pub fn is_stopped_by_owner(&self) -> bool {
        self.desired == Desired::Stop
    }

    /// Whether it counts as on its way up since a step on it was interrupted while it lived: it has not been told to start since.
    #[must_use]
    pub fn was_interrupted(&self) -> bool {
        self.status.is_underway() && self.pending.is_none() && self.last_error.is_some() && self.retry_at.is_none()
    }

    /// Whether it ran until just now, and nothing says that it would not run again: it went down with its machine, or fell
    /// for the first time since it had recovered.
    #[must_use]
    pub fn returns(&self) -> bool {
        let fell = self.status == Status::Stopped && self.went_down() && self.falls <= 1 && self.failures == 0;
        self.desired == Desired::Run && (self.comes_back || fell)
    }

    /// Whether it ended before it was seen up, rather than that a step on it failed.
    #[must_use]
    pub fn went_down(&self) -> bool {
        self.last_error.as_deref().is_some_and(|error| error.starts_with(PROCESS_GONE))
    }

    /// Whether it is being removed, and the last try failed. Failures from before its removal do not count: then no time
    /// for another try is set.
    #[must_use]
    pub fn removal_failed(&self) -> bool {
        self.status == Status::Removing && self.failures > 0 && self.retry_at.is_some()
    }

    /// Of a node that is about to be created.
    pub(super) fn planned(now: UnixSeconds) -> Self {
        Self { pending: Some(Verb::Add), has_run: false, ..Self::adopted(now) }
    }

    /// Of a node that was found: stopped until it is observed, and up before.
    pub(super) fn adopted(now: UnixSeconds) -> Self {
        Self {
            status: Status::Stopped,
            status_since: now,
            desired: Desired::Run,
            pending: None,
            failures: 0,
            falls: 0,
            retry_at: None,
            last_error: None,
            has_run: true,
            comes_back: false,
        }
    }

    /// The life that was stored.
    ///
    /// # Errors
    /// When its columns contradict each other.
    pub(super) fn restore(stored: &StoredNode) -> Result<Self, Contradiction> {
        let life = Self {
            status: stored.status,
            status_since: stored.status_since,
            desired: stored.desired,
            pending: stored.pending,
            failures: stored.failures,
            falls: stored.falls,
            retry_at: stored.retry_at,
            last_error: stored.last_error.clone(),
            has_run: stored.has_run,
            comes_back: stored.comes_back,
        };
        match life.contradiction() {
            Some(contradiction) => Err(contradiction),
            None => Ok(life),
        }
    }

    fn contradiction(&self) -> Option<Contradiction> {
        use Status::{Dead, Disabled, Migrating, Removing, Restarting, Running, Starting, Stopped, Upgrading};
        let status = self.status;
        let against =
            |column, what: String| Some(Contradiction { column, reason: format!("{what} with status {status}") });
        if (status == Disabled) != (self.desired == Desired::Unmanaged) {
            return against("desired", self.desired.to_string());
        }
        let may_be_pending = match self.pending {
            None => true,
            Some(Verb::Add) => status == Stopped,
            Some(Verb::Remove) => status == Removing,
            Some(Verb::Disable | Verb::Enable) => status == Disabled,
            Some(Verb::Start | Verb::Stop | Verb::Restart | Verb::Upgrade | Verb::Revert) => {
                !matches!(status, Disabled | Dead | Migrating)
            }
        };
        if let Some(verb) = self.pending.filter(|_| !may_be_pending) {
            return against("pending", verb.to_string());
        }
        let has_run_fits = match status {
            Running | Restarting => self.has_run,
            Starting => !self.has_run,
            _ => true,
        };
        if !has_run_fits {
            return against("has_run", self.has_run.to_string());
        }
        if self.comes_back && status != Stopped {
            return against("comes_back", self.comes_back.to_string());
        }
        let failed = self.failures > 0 && self.last_error.is_some();
        let may_wait = match status {
            Stopped | Removing => true,
            Running | Starting | Restarting | Upgrading => failed,
            Disabled => self.pending == Some(Verb::Disable),
            Dead | Migrating => false,
        };
        if let Some(at) = self.retry_at.filter(|_| !may_wait) {
            return against("retry_at", at.to_string());
        }
        if status == Running && self.retry_at.is_none() {
            if self.failures > 0 {
                return against("failures", format!("{} and no retry_at", self.failures));
            }
            if self.last_error.is_some() {
                return against("last_error", "an error and no retry_at".to_owned());
            }
        }
        None
    }

    /// What `transition` makes of it.
    ///
    /// # Errors
    /// [`Impossible`] where that cannot happen to it; then nothing is changed.
    pub(super) fn apply(&mut self, transition: &Transition, now: UnixSeconds) -> Result<(), Impossible> {
        if !self.allows(transition) {
            let what = transition.to_string();
            return Err(Impossible { status: self.status, pending: self.pending, what });
        }
        match transition {
            Transition::Intended(intent) => self.intend(*intent, now),
            Transition::Created(_) => self.pending = Some(Verb::Start),
            Transition::CreationFailed { error } => {
                self.set_status(Status::Dead, now);
                self.last_error = Some(error.clone());
            }
            Transition::Started { .. } => {
                // It upgraded itself and was told to start for that.
                let upgrades = self.status == Status::Upgrading && self.pending == Some(Verb::Start);
                self.come_up(if upgrades { Status::Upgrading } else { self.starting() }, now);
            }
            Transition::Reverted { .. } => {
                // What failed was the other program.
                (self.failures, self.falls) = (0, 0);
                self.come_up(self.starting(), now);
            }
            Transition::Upgraded { .. } => {
                self.falls = 0;
                self.come_up(Status::Upgrading, now);
            }
            Transition::Forgiven => self.falls = 0,
            Transition::StartFailed { error } => {
                self.fall(now);
                self.set_status(Status::Stopped, now);
                self.fail(error, now);
            }
            Transition::Stopped => self.set_status(self.stopped(), now),
            Transition::Enabled => self.manage_again(now),
            Transition::StepFailed { error } => {
                // A disabling that failed is tried again by the next cycles.
                self.pending = self.pending.filter(|verb| *verb == Verb::Disable);
                self.fail(error, now);
            }
            Transition::Observed { found, why } => self.found(*found, why, now),
            Transition::Resolved { end, why } => self.resolve(*end, &why.to_string(), now),
        }
        Ok(())
    }

    /// Whether this can happen to it.
    fn allows(&self, transition: &Transition) -> bool {
        use Status::{Dead, Disabled, Migrating, Removing, Running};
        let (status, pending) = (self.status, self.pending);
        match transition {
            Transition::Intended(Intent::Start | Intent::Restart) => !matches!(status, Disabled | Dead | Migrating),
            Transition::Intended(Intent::Stop { .. } | Intent::Upgrade) => {
                !matches!(status, Disabled | Dead | Migrating | Removing)
            }
            // It starts the node, which is not what its owner asked for.
            Transition::Intended(Intent::Revert) => {
                !matches!(status, Disabled | Dead | Migrating | Removing) && !self.is_stopped_by_owner()
            }
            Transition::Intended(Intent::Remove { .. } | Intent::Disable) => true,
            Transition::Intended(Intent::Enable) => status == Disabled,
            Transition::Created(_) | Transition::CreationFailed { .. } => pending == Some(Verb::Add),
            Transition::Started { .. } => matches!(pending, Some(Verb::Start | Verb::Restart)),
            Transition::StartFailed { .. } => {
                matches!(pending, Some(Verb::Start | Verb::Restart | Verb::Upgrade | Verb::Revert))
            }
            Transition::Upgraded { .. } => pending == Some(Verb::Upgrade),
            Transition::Reverted { .. } => pending == Some(Verb::Revert),
            Transition::Stopped => matches!(pending, Some(Verb::Stop | Verb::Disable | Verb::Remove)),
            Transition::Enabled => pending == Some(Verb::Enable),
            Transition::Forgiven => !matches!(status, Disabled | Dead | Migrating),
            Transition::StepFailed { .. } => pending.is_some_and(|verb| verb != Verb::Enable),
            Transition::Observed { found: Found::Replaced { .. }, .. } => status == Running && pending.is_none(),
            Transition::Observed { .. } => !matches!(status, Disabled | Dead | Migrating | Removing),
            Transition::Resolved { end, .. } => pending.is_some_and(|verb| may_end(verb, *end)),
        }
    }

    fn intend(&mut self, intent: Intent, now: UnixSeconds) {
        self.pending = Some(intent.verb());
        match intent {
            Intent::Start | Intent::Restart | Intent::Upgrade | Intent::Revert => {}
            Intent::Stop { by_owner } => {
                if by_owner {
                    self.desired = Desired::Stop;
                }
            }
            Intent::Disable => {
                self.status = Status::Disabled;
                self.desired = Desired::Unmanaged;
                self.retry_at = None;
                self.comes_back = false;
            }
            Intent::Enable => self.retry_at = None,
            Intent::Remove { delay_seconds } => {
                if self.status != Status::Removing {
                    // What failed before has nothing to do with how often its removal is tried.
                    self.failures = 0;
                }
                self.status = Status::Removing;
                self.status_since = now;
                self.comes_back = false;
                if self.desired == Desired::Unmanaged {
                    self.desired = Desired::Run;
                }
                self.retry_at = Some(later(now, delay_seconds));
            }
        }
    }

    fn found(&mut self, found: Found, why: &Evidence, now: UnixSeconds) {
        // What lives without answering may have too little of the machine: nobody is broken by that.
        let falls = match found {
            Found::Fell => true,
            Found::Failed => !matches!(why, Evidence::NotAnswering { .. } | Evidence::Halted),
            _ => false,
        };
        if falls {
            self.fall(now);
        }
        match found {
            Found::Running if self.status == Status::Running => return self.get_over(),
            Found::Running => return self.up(now),
            Found::Replaced { upgraded: true, .. } => return self.set_status(Status::Upgrading, now),
            Found::Replaced { upgraded: false, .. } => return self.set_status(Status::Restarting, now),
            Found::Gone => self.set_status(Status::Dead, now),
            _ => self.set_status(Status::Stopped, now),
        }
        let why = why.to_string();
        self.last_error = Some(why.clone());
        match found {
            Found::Hanging { pause_seconds } => self.retry_at = Some(later(now, pause_seconds)),
            Found::Failed => self.fail(&why, now),
            // The first time it is started again at once.
            Found::Fell => {
                self.retry_at = self.falls.checked_sub(1).filter(|again| *again > 0).map(|n| back_off(now, n))
            }
            Found::WithMachine => self.comes_back = true,
            Found::Running | Found::Replaced { .. } | Found::Gone | Found::Down => {}
        }
    }

    /// It fell once more, or for the first time since it had recovered.
    fn fall(&mut self, now: UnixSeconds) {
        let was_up = self.status == Status::Running && now.saturating_sub(self.status_since) >= RECOVERED_SECONDS;
        self.falls = if was_up { 1 } else { self.falls.saturating_add(1) };
    }

    fn resolve(&mut self, end: End, why: &str, now: UnixSeconds) {
        let status = match end {
            End::StillRunning => return self.up(now),
            End::Underway if self.pending == Some(Verb::Upgrade) => Status::Upgrading,
            End::Underway => self.starting(),
            End::Stopped | End::Enabled => Status::Stopped,
            End::Incomplete => Status::Dead,
            End::Removing => Status::Removing,
            End::Disabled => Status::Disabled,
        };
        self.set_status(status, now);
        if end == End::Enabled {
            self.desired = Desired::Run;
        }
        self.last_error = Some(why.to_owned());
    }

    /// Has this status now, with nothing pending and nothing wrong.
    fn set_status(&mut self, status: Status, now: UnixSeconds) {
        self.status = status;
        self.status_since = now;
        self.pending = None;
        self.retry_at = None;
        self.last_error = None;
        self.comes_back = false;
    }

    /// It was told to start, which nothing but its owner's word allows where its owner had stopped it.
    fn come_up(&mut self, status: Status, now: UnixSeconds) {
        self.set_status(status, now);
        self.desired = Desired::Run;
    }

    fn up(&mut self, now: UnixSeconds) {
        self.come_up(Status::Running, now);
        self.failures = 0;
        self.has_run = true;
    }

    /// It is up as before, and what failed on it is history.
    fn get_over(&mut self) {
        self.pending = None;
        self.failures = 0;
        self.retry_at = None;
        self.last_error = None;
    }

    fn manage_again(&mut self, now: UnixSeconds) {
        self.set_status(Status::Stopped, now);
        self.desired = Desired::Run;
        (self.failures, self.falls) = (0, 0);
    }

    fn fail(&mut self, error: &str, now: UnixSeconds) {
        self.last_error = Some(error.to_owned());
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(back_off(now, self.failures));
    }

    fn starting(&self) -> Status {
        if self.has_run { Status::Restarting } else { Status::Starting }
    }

    fn stopped(&self) -> Status {
        match self.pending {
            Some(Verb::Disable) => Status::Disabled,
            Some(Verb::Remove) => Status::Removing,
            _ => Status::Stopped,
        }
    }
}

/// Whether this can become of a step.
fn may_end(verb: Verb, end: End) -> bool {
    match verb {
        Verb::Add => matches!(end, End::Incomplete | End::Underway | End::Stopped),
        Verb::Start | Verb::Restart | Verb::Upgrade | Verb::Revert => matches!(end, End::Underway | End::Stopped),
        Verb::Stop => matches!(end, End::StillRunning | End::Stopped),
        Verb::Remove => end == End::Removing,
        Verb::Disable => end == End::Disabled,
        Verb::Enable => end == End::Enabled,
    }
}

fn later(now: UnixSeconds, seconds: u64) -> UnixSeconds {
    now.saturating_add(UnixSeconds::try_from(seconds).unwrap_or(UnixSeconds::MAX))
}
