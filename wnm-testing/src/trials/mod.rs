//! Trials are tests that need something that not every machine has. Where it is missing, the test is reported as ignored,
//! with the reason, and counted at the end; the built-in harness would print `ok`.
//!
//! A test target with `harness = false` lists its tests with [`trials!`](crate::trials), one list per module, and its
//! `main` hands all lists to [`run`].

mod needs;
mod tally;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed};

use needs::Probes;
pub use needs::{Need, s6_image};

/// One test and what it needs.
pub struct Trial {
    name: String,
    needs: &'static [Need],
    body: Box<dyn FnOnce() + Send>,
}

impl Trial {
    /// A test of a module, both as `module_path!()` and `stringify!` write them. [`trials!`](crate::trials) calls this.
    #[must_use]
    pub fn new<Kind>(module: &str, name: &str, needs: &'static [Need], body: impl Body<Kind>) -> Self {
        // As the built-in harness names it: without the name of the crate.
        let name = module.split_once("::").map_or_else(|| name.to_owned(), |(_, within)| format!("{within}::{name}"));
        Self { name, needs, body: Box::new(|| body.run()) }
    }
}

/// A function that is a test: `fn()` or `async fn()`.
pub trait Body<Kind>: Send + 'static {
    /// Runs it to its end; an asynchronous one on a runtime of its own.
    fn run(self);
}

/// Marks a [`Body`] that is an ordinary function.
pub struct Plain;

/// Marks a [`Body`] that is asynchronous.
pub struct Asynchronous;

impl<F: FnOnce() + Send + 'static> Body<Plain> for F {
    fn run(self) {
        self();
    }
}

impl<F, R> Body<(Asynchronous, R)> for F
where
    F: FnOnce() -> R + Send + 'static,
    R: Future<Output = ()>,
{
    fn run(self) {
        super::block_on(self());
    }
}

/// Lists the tests of a module as `fn trials() -> Vec<Trial>`: after each list of [`Need`]s the tests that have them.
///
/// `trials! { &[SystemdImage] => one, another; &[] => third; }`
#[macro_export]
macro_rules! trials {
    ($($needs:expr => $($test:ident),+ $(,)?;)+) => {
        /// The tests of this module.
        pub fn trials() -> Vec<$crate::Trial> {
            vec![$($($crate::Trial::new(module_path!(), stringify!($test), $needs, $test)),+),+]
        }
    };
}

/// The whole `main` of a test target: runs what the command line selects, understanding the options of the built-in
/// harness, and tells what was left out. Where the environment has `CI` nothing may be left out: a lack is a failure.
#[must_use]
pub fn run_trials(lists: impl IntoIterator<Item = Vec<Trial>>) -> ExitCode {
    let ci = std::env::var_os("CI").is_some();
    let mut harness = Harness { arguments: Arguments::from_args(), ci, probes: Probes::default(), left_out: vec![] };
    let trials = lists.into_iter().flatten().map(|trial| harness.judge(trial)).collect();
    let conclusion = libtest_mimic::run(&harness.arguments, trials);
    if !harness.arguments.list {
        tally::print(&harness.left_out);
    }
    conclusion.exit_code()
}

/// One run of a test target.
struct Harness {
    arguments: Arguments,
    /// Whether a lack is a failure.
    ci: bool,
    probes: Probes,
    /// Why tests were left out: a reason for each.
    left_out: Vec<String>,
}

impl Harness {
    /// What becomes of a trial on this machine.
    fn judge(&mut self, Trial { name, needs, body }: Trial) -> libtest_mimic::Trial {
        let may_be_ignored = libtest_mimic::Trial::test(name.as_str(), || Ok(())).with_ignored_flag(true);
        if self.arguments.is_filtered_out(&may_be_ignored) {
            return may_be_ignored;
        }
        let Some(lack) = needs.iter().find_map(|need| self.probes.lack(*need)) else {
            return libtest_mimic::Trial::test(name, || {
                body();
                Ok(())
            });
        };
        if self.ci {
            let fails = move || Err(Failed::from(format!("nothing may be left out where CI is set: {lack}")));
            return libtest_mimic::Trial::test(name, fails);
        }
        self.left_out.push(lack.clone());
        let ignored = libtest_mimic::Trial::ignorable_test(name, move || Ok(Completion::ignored_with(lack)));
        // A list of the ignored ones has it; when tests run, it is printed in its turn, with the reason.
        ignored.with_ignored_flag(self.arguments.list || self.arguments.ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() {}

    async fn asynchronous() {
        tokio::time::sleep(std::time::Duration::ZERO).await;
        panic!("it was run to its end");
    }

    crate::trials! {
        &[] => plain;
        &[Need::Tool("phantom")] => asynchronous;
    }

    fn harness(words: &[&str], ci: bool) -> Harness {
        let arguments = Arguments::from_iter([&["program"], words].concat());
        Harness { arguments, ci, probes: Probes::default(), left_out: vec![] }
    }

    /// Passed, failed, ignored.
    fn outcome(harness: &mut Harness) -> (u64, u64, u64) {
        let trials = trials().into_iter().map(|trial| harness.judge(trial)).collect();
        let run = libtest_mimic::run(&harness.arguments, trials);
        (run.num_passed, run.num_failed, run.num_ignored)
    }

    #[test]
    fn what_a_machine_lacks_ignores_a_test_and_fails_it_where_ci_is_set() {
        let reason = "no phantom (.ci/install builds it, or set WNM_PHANTOM)";
        let mut here = harness(&["--logfile=/dev/null"], false);
        assert_eq!(outcome(&mut here), (1, 0, 1));
        assert_eq!(here.left_out, [reason]);
        let mut in_ci = harness(&["--logfile=/dev/null"], true);
        assert_eq!(outcome(&mut in_ci), (1, 1, 0));
        assert_eq!(in_ci.left_out, Vec::<String>::new());
    }

    #[test]
    fn what_nobody_asked_for_is_not_left_out() {
        let mut harness = harness(&["--logfile=/dev/null", "--exact", "trials::tests::plain"], false);
        assert_eq!(outcome(&mut harness), (1, 0, 0));
        assert_eq!(harness.left_out, Vec::<String>::new());
    }

    #[test]
    fn a_list_marks_what_would_be_left_out() {
        let mut harness = harness(&["--list", "--ignored"], false);
        let listed = trials().into_iter().map(|trial| harness.judge(trial));
        let marks: Vec<_> = listed.map(|trial| (trial.name().to_owned(), trial.has_ignored_flag())).collect();
        assert_eq!(
            marks,
            [("trials::tests::plain".to_owned(), false), ("trials::tests::asynchronous".to_owned(), true)]
        );
    }

    #[test]
    #[should_panic(expected = "it was run to its end")]
    fn an_asynchronous_test_is_run_to_its_end() {
        (trials().remove(1).body)();
    }
}
