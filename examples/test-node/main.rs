//! A test node is antnode 0.4.17's double: a real process with antnode's arguments, ports, files, answers and deaths, and
//! no network behind it. It is small, so that hundreds run at once, and misbehaves when told to.
//!
//! A program that says so is ant-node 0.23's double instead: see [`v2`].
//!
//! It misbehaves as `WNM_TEST_NODE` says, or as the file `misbehave` in its root directory says (which is read again at
//! every question, so that a running node can be turned), or as its own program says: see [`program`]. The words are in
//! [`misbehaviour`]. Signals are antnode's: SIGTERM ends it at once, SIGINT after a second with exit code 1.

#![expect(clippy::disallowed_methods, reason = "what is tried here is started and waited for as by anybody")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a node program talks on its standard streams")]

mod arguments;
mod files;
mod metrics;
mod misbehaviour;
mod program;
mod v2;

use std::net::{TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use arguments::{Arguments, Asked, Refused};
use misbehaviour::Misbehaviour;
use program::{Flavour, Program};

/// What a running node knows of itself.
struct TestNode {
    arguments: Arguments,
    program: Program,
    peer_id: String,
    started: Instant,
}

impl TestNode {
    /// How it misbehaves at this moment.
    fn misbehaviour(&self) -> Misbehaviour {
        Misbehaviour::of(&self.program, &self.arguments.root_dir)
    }
}

fn main() -> ExitCode {
    let program = Program::own();
    let arguments = match arguments::parse(program.flavour, std::env::args().skip(1)) {
        Ok(Asked::Run(arguments)) => arguments,
        Ok(Asked::Version) => {
            println!("{}", program.version_text());
            return ExitCode::SUCCESS;
        }
        Err(Refused { code, text }) => {
            eprintln!("{text}");
            return ExitCode::from(code);
        }
    };
    match run(program, arguments) {
        Ok(code) => code,
        Err(reason) => {
            eprintln!("Error: \n   0: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(program: Program, arguments: Arguments) -> Result<ExitCode, String> {
    if program.flavour == Flavour::V2 {
        return v2::run(&program, &arguments);
    }
    println!("EVM network: {}", arguments.network);
    println!("Logging to directory: {:?}", arguments.log_dir);
    let peer_id = files::prepare(&arguments)?;
    let node = Arc::new(TestNode { arguments, program, peer_id, started: Instant::now() });
    let misbehaviour = node.misbehaviour();
    if misbehaviour.record {
        files::record(&node.arguments.root_dir, &node.program.version)?;
    }
    die_later(&misbehaviour);
    thread::sleep(misbehaviour.slow_start);
    // Written to, so that it is really taken.
    let _eaten = vec![1_u8; misbehaviour.eat * 1_000_000];

    let metrics = bind_metrics(&node, &misbehaviour);
    let Some(_node_port) = bind_node_port(&node.arguments) else {
        return Ok(ExitCode::from(101));
    };
    if let Some(Ok(listener)) = node.arguments.rpc.map(TcpListener::bind) {
        // Whoever asks is sent away at once: antctl would wait for ever for an answer.
        spawn(move || listener.incoming().for_each(drop));
    }
    if let Some(listener) = metrics {
        metrics::serve(&node, listener);
    }
    println!("\nNode started\n\nPeerId is {}", node.peer_id);
    files::log(&node.arguments.log_dir, "Node started");
    Ok(wait_for_signals(&node, &misbehaviour))
}

/// Without its metrics port a node runs on, as antnode does.
fn bind_metrics(node: &TestNode, misbehaviour: &Misbehaviour) -> Option<TcpListener> {
    let port = node.arguments.metrics_port?;
    if misbehaviour.no_metrics {
        return None;
    }
    match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => {
            println!("Metrics server on http://127.0.0.1:{port}/metrics");
            Some(listener)
        }
        Err(error) => {
            crashed(&format!("error binding to 127.0.0.1:{port}: error creating server listener: {error}"));
            None
        }
    }
}

fn bind_node_port(arguments: &Arguments) -> Option<UdpSocket> {
    UdpSocket::bind((arguments.ip, arguments.port))
        .inspect_err(|error| {
            crashed(&format!(
                "Multiaddr should be supported by our configured transports: TransportError(Other({error:?}))"
            ));
        })
        .ok()
}

/// antnode's words when a thread of it panics.
fn crashed(message: &str) {
    eprintln!("\u{1b}[31mThe application panicked (crashed).\u{1b}[0m\nMessage:  \u{1b}[36m{message}\u{1b}[0m");
    eprintln!("Location: \u{1b}[35mtest-node\u{1b}[0m\n\nRun with RUST_BACKTRACE=full to include source snippets.");
}

fn die_later(misbehaviour: &Misbehaviour) {
    let Some((code, delay)) = misbehaviour.exit else {
        return;
    };
    let die = move || {
        eprintln!("Node terminated due to: \"told to end with {code}\"");
        end(code)
    };
    if delay.is_zero() {
        // Before any port is open.
        die();
    }
    spawn(move || {
        thread::sleep(delay);
        die();
    });
}

/// Waits until a signal ends the node; answers its exit code.
fn wait_for_signals(node: &TestNode, misbehaviour: &Misbehaviour) -> ExitCode {
    // SIGTERM keeps its own deadly effect unless the node was told otherwise.
    let term = misbehaviour.ignore_term || misbehaviour.slow_term.is_some();
    let wanted = if term { vec![SIGINT, SIGTERM] } else { vec![SIGINT] };
    let mut signals = Signals::new(wanted).expect("both signals can be caught");
    for signal in signals.forever() {
        if signal == SIGINT {
            println!("Node is stopping in 1s...");
            thread::sleep(Duration::from_secs(1));
            files::critical_failure(&node.arguments.log_dir, "Ctrl-C received!");
            eprintln!("Error: \n   0: Ctrl-C received!");
            return ExitCode::FAILURE;
        }
        if let Some(delay) = misbehaviour.slow_term {
            thread::sleep(delay);
            return ExitCode::SUCCESS;
        }
    }
    ExitCode::FAILURE
}

/// Threads with small stacks keep a node small.
fn spawn(work: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().stack_size(128 * 1024);
    if let Err(error) = thread.spawn(work) {
        eprintln!("cannot start a thread: {error}");
    }
}

#[expect(clippy::exit, reason = "a crash comes from any thread, at any moment")]
fn end(code: i32) -> ! {
    std::process::exit(code)
}
