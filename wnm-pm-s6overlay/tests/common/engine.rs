//! An engine of a test's own, in a network namespace of its own with a peer in another: 192.0.2.1 facing 192.0.2.2. What is
//! flushed or dropped there is nobody else's. It ends with the test, also with one that is killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wnm_testing::{NotedEngine, block_on};

use super::image;
use super::peer::{Peer, in_namespace, ip};

/// How long an engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct OwnEngine {
    name: String,
    directory: TempDir,
    daemon: Child,
    pub peer: Peer,
    _noted: NotedEngine,
}

impl OwnEngine {
    /// One that is started with these options beside its own, and has the image of groups.
    pub fn new(options: &[&str]) -> Self {
        static SERIAL: AtomicU8 = AtomicU8::new(0);
        let name = format!("wnm-engine-{:x}-{:x}", std::process::id(), SERIAL.fetch_add(1, Ordering::Relaxed));
        let directory = tempfile::Builder::new().prefix("wnm-engine-").tempdir().expect("a temporary directory");
        let noted = NotedEngine::new(&name, directory.path());
        ip(&["netns", "add", &name]);
        ip(&["-n", &name, "link", "set", "lo", "up"]);
        let peer = Peer::facing(&name);
        let daemon = daemon(&name, directory.path(), options);
        let engine = Self { name, directory, daemon, peer, _noted: noted };
        engine.await_answer();
        let load = format!("docker save {} | docker --host {} load --quiet", image(), engine.address());
        assert!(Command::new("sh").args(["-c", &load]).stdout(Stdio::null()).status().expect("sh runs").success());
        engine
    }

    /// Where it is reached.
    pub fn address(&self) -> String {
        format!("unix://{}", self.directory.path().join("docker.sock").display())
    }

    /// Does something in its network namespace, as somebody on the engine's machine would.
    pub fn run<F: Future<Output = ()>>(&self, test: impl FnOnce() -> F + Send) {
        in_namespace(&Path::new("/run/netns").join(&self.name), || block_on(test()));
    }

    fn await_answer(&self) {
        let deadline = Instant::now() + PATIENCE;
        let answers = || {
            let info = Command::new("docker").args(["--host", &self.address(), "info"]).output();
            info.is_ok_and(|output| output.status.success())
        };
        while !answers() {
            let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "the engine answers: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Its network is another one. Where the test is killed, the engine ends its containers and itself.
fn daemon(namespace: &str, directory: &Path, options: &[&str]) -> Child {
    let path = |name: &str| directory.join(name);
    std::fs::write(path("settings"), "{}").expect("it is written");
    std::fs::write(path("ids"), "nobody:100000:65536\nnogroup:100000:65536\n").expect("it is written");
    // User ids that it may give away, in a file of its own.
    let ids = path("ids").display().to_string();
    let begin = format!("mount --bind {ids} /etc/subuid; mount --bind {ids} /etc/subgid; exec dockerd \"$@\"");
    let log = || File::create(path("log")).expect("it is made");
    let paths = [("--config-file", "settings"), ("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")];
    let paths = paths.map(|(option, name)| (option, path(name)));
    Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "nsenter", &format!("--net=/run/netns/{namespace}")])
        .args(["unshare", "--mount", "sh", "-ec", &begin, "dockerd"])
        .args(paths.iter().flat_map(|(option, path): &(&str, PathBuf)| [option.as_ref(), path.as_os_str()]))
        .args(["--host", &format!("unix://{}", path("docker.sock").display()), "--storage-driver", &storage_driver()])
        .args(options)
        .stdout(log())
        .stderr(log())
        .spawn()
        .expect("dockerd can be run")
}

/// The machine's own engine has one that works here.
fn storage_driver() -> String {
    let asked = Command::new("docker").args(["info", "--format", "{{.Driver}}"]).output().expect("docker runs");
    String::from_utf8(asked.stdout).expect("a word").trim().to_owned()
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.daemon.id().to_string()).status();
        let _ = self.daemon.wait();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}
