//! A process of its own that takes and releases a lock as it is told.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::io::{BufRead, BufReader, Lines, Write, stdin};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use wnm_core::lock::{Lock, LockError};
use wnm_pm::command::{self, CommandRunner, SystemRunner};

/// Names the database to the process.
const VARIABLE: &str = "WNM_TEST_LOCK_WORKER";
/// Tells the process's answers from what the test program says around them.
const STORAGE_MARKER: &str = "answer:";

/// What became of an order.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is held now.
    Taken,
    /// Another process holds it.
    Held,
    /// It cannot be taken at all.
    Failed(String),
    /// It was something else, and is done.
    Done,
}

/// The other process.
pub struct Worker {
    child: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    /// Starts it; it holds nothing yet.
    pub fn start(database: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("a test knows its own program"))
            .args(["--exact", "worker::work", "--nocapture"])
            .env(VARIABLE, database)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let orders = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, orders, answers }
    }

    fn order(&mut self, word: &str) {
        writeln!(self.orders, "{word}").expect("it listens");
    }

    /// Tells it to take the lock, and does not wait.
    pub fn ask(&mut self) {
        self.order("take");
    }

    /// What became of the order.
    pub fn answer(&mut self) -> Answer {
        loop {
            let line = self.answers.next().expect("it answers").expect("its answers are text");
            let Some((_, answer)) = line.split_once(STORAGE_MARKER) else { continue };
            return match answer {
                "taken" => Answer::Taken,
                "held" => Answer::Held,
                "done" => Answer::Done,
                other => Answer::Failed(other.to_owned()),
            };
        }
    }

    /// Tells it to take the lock, and waits for what becomes of that.
    pub fn take(&mut self) -> Answer {
        self.ask();
        self.answer()
    }

    /// Makes it release what it holds, and waits until it has.
    pub fn release(&mut self) {
        self.order("release");
        assert_eq!(self.answer(), Answer::Done);
    }

    /// Makes it start programs that outlive it, as nodes do.
    pub fn start_programs(&mut self) {
        self.order("start");
        assert_eq!(self.answer(), Answer::Done);
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().expect("it still runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the other process does. The test run itself has nothing for it to do.
#[test]
#[expect(clippy::print_stdout, reason = "it answers whoever gave the order")]
fn work() {
    let Some(database) = std::env::var_os(VARIABLE) else { return };
    let mut lock = None;
    for order in stdin().lines() {
        let answer = match order.expect("orders are text").as_str() {
            "release" => {
                drop(lock.take());
                "done".to_owned()
            }
            "start" => {
                start_programs(&Path::new(&database).with_file_name(""));
                "done".to_owned()
            }
            _ => match Lock::acquire(Path::new(&database), "worker") {
                Ok(taken) => {
                    lock = Some(taken);
                    "taken".to_owned()
                }
                Err(LockError::Held { .. }) => "held".to_owned(),
                Err(error) => error.to_string().replace('\n', " "),
            },
        };
        println!("{STORAGE_MARKER}{answer}");
    }
}

/// Starts one program directly and one through the door for programs. They go on as long as their files are there.
fn start_programs(place: &Path) {
    let script = "touch \"$1\"; while [ -e \"$1\" ]; do sleep 0.05; done";
    let files = [place.join("direct"), place.join("through-the-door")];
    let direct = Command::new("sh").args(["-c", script, "sh"]).arg(&files[0]).stdout(Stdio::null()).spawn();
    drop(direct.expect("there is a shell"));
    let command = command::Command::new("sh").args(["-c", script, "sh"]).arg(&files[1]);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(SystemRunner.run(&command))
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    while !files.iter().all(|file| file.exists()) {
        assert!(Instant::now() < deadline, "they do not start");
        std::thread::sleep(Duration::from_millis(5));
    }
}
