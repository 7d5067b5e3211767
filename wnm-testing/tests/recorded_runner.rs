//! The recorded runner answers as scripted and remembers what it was asked.

use wnm_pm::command::{Command, CommandError, CommandRunner};
use wnm_testing::RecordedRunner;

#[tokio::test]
async fn a_recorded_runner_answers_by_the_longest_beginning_and_in_turn() {
    let gone = || CommandError::NotRun { command: "systemctl".into(), reason: "gone".into() };
    let runner = RecordedRunner::new()
        .on_success("systemctl", "general")
        .on_failure("systemctl start", 5, "no such unit")
        .on("systemctl show", [Err(gone()), Ok(Default::default())]);

    let run = async |words: &[&str]| runner.run(&Command::new("systemctl").args(words)).await;
    assert_eq!(run(&["stop"]).await.expect("it is scripted").stdout, "general");
    assert_eq!(run(&["start", "x"]).await.expect("it is scripted").code, Some(5));
    assert_eq!(run(&["show"]).await, Err(gone()));
    assert_eq!(run(&["show"]).await, Ok(Default::default()));
    assert_eq!(run(&["show"]).await, Ok(Default::default()));
    assert_eq!(
        runner.lines(),
        ["systemctl stop", "systemctl start x", "systemctl show", "systemctl show", "systemctl show"]
    );
}

#[tokio::test]
#[should_panic(expected = "no answer is scripted for `rm -rf /`")]
async fn a_recorded_runner_has_no_answer_of_its_own() {
    let _ = RecordedRunner::new().run(&Command::new("rm").args(["-rf", "/"])).await;
}
