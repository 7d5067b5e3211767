//! Nodes are asked over real sockets, by servers that do what they like: whatever comes, asking ends in time.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wnm_core::node::NodeId;
use wnm_core::observe::{Limits, ask};
use wnm_core::snapshot::Answer;

const METADATA: &str = include_str!("../data/metadata.txt");
const METRICS: &str = include_str!("../data/metrics-connected.txt");
const PEER_ID: &str = "12D3KooWEy6S5kyWcmk6HCoGdy7J656vbiRbFY6WWnxi2SgoG3rk";

/// A server that treats each connection in a thread of its own, until the test ends.
fn server(treat: impl Fn(TcpStream) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    let address = listener.local_addr().expect("it is bound");
    let treat = Arc::new(treat);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let treat = Arc::clone(&treat);
            thread::spawn(move || treat(stream));
        }
    });
    address
}

/// Reads one question and answers its path.
fn question(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let mut byte = [0];
    while !read.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        read.push(byte[0]);
    }
    String::from_utf8_lossy(&read).split(' ').nth(1).unwrap_or_default().to_owned()
}

/// A server that gives the same answer to everything, byte by byte as told.
fn parrot(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    server(move |mut stream| {
        question(&mut stream);
        let _ = stream.write_all(&answer);
    })
}

fn message(head: &str, body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\n{head}content-length: {}\r\n\r\n{body}", body.len())
}

fn good_node() -> SocketAddr {
    server(|mut stream| {
        let body = if question(&mut stream) == "/metadata" { METADATA } else { METRICS };
        let _ = stream.write_all(message("", body).as_bytes());
    })
}

/// A node that takes questions and never answers.
fn hanging_node() -> SocketAddr {
    server(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    })
}

fn short() -> Limits {
    Limits { one_node: Duration::from_millis(400), ..Limits::default() }
}

async fn answer(address: SocketAddr, limits: &Limits) -> Answer {
    ask(&[(NodeId(1), address)], limits).await.pop().expect("an answer to each question").1
}

fn is_the_good_node(answer: &Answer) -> bool {
    let Answer::Node { peer_id, version, metrics } = answer else { return false };
    peer_id.as_deref() == Some(PEER_ID)
        && version.as_ref().is_some_and(|version| version.to_string() == "0.4.17")
        && metrics.connected_peers == Some(3)
}

#[tokio::test]
async fn a_node_tells_its_name_its_version_and_its_figures() {
    let answer = answer(good_node(), &Limits::default()).await;
    assert!(is_the_good_node(&answer), "{answer:?}");
}

/// A node that answers so many questions on a connection, and how many connections were made to it.
fn node_that_answers(questions: usize) -> (SocketAddr, Arc<AtomicUsize>) {
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let address = server(move |mut stream| {
        count.fetch_add(1, Ordering::Relaxed);
        for _ in 0..questions {
            let body = if question(&mut stream) == "/metadata" { METADATA } else { METRICS };
            let _ = stream.write_all(message("", body).as_bytes());
        }
    });
    (address, connections)
}

#[tokio::test]
async fn both_questions_are_asked_on_one_connection_unless_the_node_hangs_up_between_them() {
    for (questions, expected) in [(2, 1), (1, 2)] {
        let (address, connections) = node_that_answers(questions);
        let answered = answer(address, &Limits::default()).await;
        assert!(is_the_good_node(&answered), "{answered:?}");
        let Answer::Node { metrics, .. } = answered else { panic!("it is the good node") };
        assert_eq!(metrics.connected_peers, Some(3), "it says the rest too");
        assert_eq!(connections.load(Ordering::Relaxed), expected, "{questions} a connection");
    }
}

#[tokio::test]
async fn f29_a_node_that_hangs_is_given_up() {
    let begin = Instant::now();
    assert_eq!(answer(hanging_node(), &short()).await, Answer::TimedOut);
    assert!(begin.elapsed() < Limits::default().one_node, "after its own time, not the default's");
}

#[tokio::test]
async fn f30_a_node_that_drips_is_given_up() {
    let drip = |first: &'static str| {
        server(move |mut stream| {
            question(&mut stream);
            let mut said = stream.write_all(first.as_bytes());
            while said.is_ok() {
                thread::sleep(Duration::from_millis(20));
                said = stream.write_all(b"x");
            }
        })
    };
    assert_eq!(answer(drip("HTTP/1.1 200 OK\r\n\r\n"), &short()).await, Answer::TimedOut);
    assert_eq!(answer(drip("HTTP/1.1 200 OK\r\nname: "), &short()).await, Answer::TimedOut);
}

/// A server that talks without end after `first`, and how many bytes it got rid of.
fn flood(first: &'static str, then: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let address = server(move |mut stream| {
        question(&mut stream);
        let mut said = stream.write_all(first.as_bytes());
        let more = then.repeat(512);
        while said.is_ok() {
            said = stream.write_all(more.as_bytes());
            counter.fetch_add(more.len(), Ordering::Relaxed);
        }
    });
    (address, written)
}

#[tokio::test]
async fn f30b_a_node_that_talks_without_end_fills_no_memory() {
    // What the kernel holds for both ends of a connection on its way.
    const BUFFERS: usize = 16 << 20;
    let limits = Limits { body_bytes: 1 << 16, ..Limits::default() };
    let (address, written) = flood("HTTP/1.1 200 OK\r\n\r\n", "blah blah\n");
    let said = answer(address, &limits).await;
    assert!(matches!(said, Answer::Foreign { .. }), "{said:?}");
    let (head, written_head) = flood("HTTP/1.1 200 OK\r\n", "name: value\r\n");
    let said = answer(head, &limits).await;
    assert!(matches!(said, Answer::Foreign { .. }), "no node has such a head: {said:?}");
    for written in [written, written_head] {
        assert!(written.load(Ordering::Relaxed) < 2 * limits.body_bytes + BUFFERS);
    }
}

#[tokio::test]
async fn f31_another_program_on_the_port_is_no_node() {
    let page = "<!DOCTYPE HTML>\n<html lang=\"en\">\n<title>Error response</title>\n<p>File not found</p>";
    let not_found = format!("HTTP/1.0 404 File not found\r\nServer: SimpleHTTP/0.6\r\n\r\n{page}");
    let exporter = message("", "# TYPE node_load1 gauge\nnode_load1 0.5\n# EOF\n");
    let terminal = message("", "\u{1b}[2J\u{7}you have won");
    let mut said = Vec::new();
    for text in [not_found, exporter, terminal, message("", "")] {
        said.push(match answer(parrot(text), &Limits::default()).await {
            Answer::Foreign { said } => said,
            other => panic!("{other:?}"),
        });
    }
    insta::assert_debug_snapshot!(said, @r#"
    [
        "HTTP 404: <!DOCTYPE HTML> <html lang=\"en\"> <title>Error resp…",
        "HTTP 200: # TYPE node_load1 gauge node_load1 0.5 # EOF",
        "HTTP 200: [2J you have won",
        "HTTP 200:",
    ]
    "#);
}

/// A node whose port another program has is left alone, while one that answers nonsense is restarted: they must be told
/// apart also where the other program is no web server.
#[tokio::test]
async fn f31_a_program_that_speaks_no_http_is_no_node() {
    let texts: [&[u8]; 4] = [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\x00\xff\x16\x03\x01",
        b"220 mail ready\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\nhello",
    ];
    for text in texts {
        let said = answer(parrot(text), &Limits::default()).await;
        assert!(matches!(said, Answer::Foreign { .. }), "{:?}: {said:?}", String::from_utf8_lossy(text));
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_before_its_body_is_broken() {
    for text in ["", "HTTP/1.1 200", "HTTP/1.1 200 OK\r\nserver: "] {
        let said = answer(parrot(text), &Limits::default()).await;
        assert!(matches!(said, Answer::Broken { .. }), "{text:?}: {said:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_told_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
    let address = listener.local_addr().expect("it is bound");
    drop(listener);
    assert_eq!(answer(address, &Limits::default()).await, Answer::Refused);
}

#[tokio::test]
async fn a_node_that_names_itself_counts_however_its_answer_ends() {
    let cut = METADATA.find("# HELP ant_networking_identify").expect("it is in the sample");
    let head = "HTTP/1.1 200 OK\r\n";
    let answers = [
        format!("{head}\r\n{METADATA}"),
        format!("{head}content-length: {}\r\n\r\n{}", METADATA.len(), &METADATA[..cut]),
        format!("{head}content-length: {cut}\r\n\r\n{METADATA}"),
        format!("{head}content-length: 99999\r\n\r\n{METADATA}"),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{METADATA}\r\n0\r\n\r\n", METADATA.len()),
        format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{}", METADATA.len(), &METADATA[..cut]),
        format!("HTTP/1.0 500 Oh\r\n\r\n{METADATA}"),
    ];
    for text in answers {
        let said = answer(parrot(text.clone()), &Limits::default()).await;
        let known = matches!(&said, Answer::Node { peer_id, .. } if peer_id.as_deref() == Some(PEER_ID));
        assert!(known, "{text}: {said:?}");
    }
}

#[tokio::test]
async fn a_node_that_hangs_up_in_the_middle_of_its_name_is_nameless() {
    let cut = METADATA.find("EF").unwrap_or_else(|| METADATA.find("12D3").expect("it is in the sample") + 9);
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{}", METADATA.len(), &METADATA[..cut]);
    let said = answer(parrot(text), &Limits::default()).await;
    assert!(matches!(&said, Answer::Node { peer_id: None, version: Some(_), .. }), "{said:?}");
}

#[test]
fn f32_a_proxy_in_the_environment_is_passed_over() {
    const VARIABLE: &str = "WNM_TEST_WITH_PROXY";
    if std::env::var_os(VARIABLE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answer = runtime.block_on(answer(good_node(), &Limits::default()));
        assert!(is_the_good_node(&answer), "{answer:?}");
        return;
    }
    // Port 9 discards what it is told, where anybody listens there at all.
    let names = ["http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let output = Command::new(std::env::current_exe().expect("a test knows its own program"))
        .args(["--exact", "nodes::f32_a_proxy_in_the_environment_is_passed_over"])
        .env(VARIABLE, "1")
        .envs(names.map(|name| (name, "http://127.0.0.1:9")))
        .env_remove("no_proxy")
        .env_remove("NO_PROXY")
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn targets(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<(NodeId, SocketAddr)> {
    (1..).map(NodeId).zip(addresses).collect()
}

#[tokio::test]
async fn two_hundred_nodes_that_hang_end_at_the_deadline() {
    let hanging = hanging_node();
    let limits = Limits { all_nodes: Duration::from_secs(1), ..Limits::default() };
    let begin = Instant::now();
    let answers = ask(&targets(vec![hanging; 200]), &limits).await;
    let took = begin.elapsed();
    assert!(took >= limits.all_nodes && took < limits.all_nodes + limits.one_node, "{took:?}");
    let count = |wanted: &Answer| answers.iter().filter(|(_, answer)| answer == wanted).count();
    // Those that there was room for; the deadline comes before any of them makes room for the next.
    assert_eq!((count(&Answer::TimedOut), count(&Answer::NotAsked)), (64, 136));
}

#[tokio::test]
async fn nodes_that_hang_keep_no_other_waiting() {
    let (hanging, good) = (hanging_node(), good_node());
    let places = (0..200).map(|place| if place % 40 == 0 { hanging } else { good });
    let limits =
        Limits { at_once: 8, one_node: Duration::from_secs(3), all_nodes: Duration::from_secs(4), ..Limits::default() };
    let answers = ask(&targets(places), &limits).await;
    for (place, (id, answer)) in answers.iter().enumerate() {
        assert_eq!(id.0 as usize, place + 1, "answers are in the order of the call");
        if place % 40 == 0 {
            assert_eq!(answer, &Answer::TimedOut);
        } else {
            assert!(is_the_good_node(answer), "{place}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn no_more_are_asked_at_once_than_allowed() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counter, highest) = (Arc::clone(&now), Arc::clone(&most));
    let address = server(move |mut stream| {
        highest.fetch_max(counter.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        question(&mut stream);
        thread::sleep(Duration::from_millis(5));
        counter.fetch_sub(1, Ordering::SeqCst);
        let _ = stream.write_all(message("", METADATA).as_bytes());
    });
    let limits = Limits { at_once: 4, ..Limits::default() };
    let answers = ask(&targets(vec![address; 40]), &limits).await;
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Answer::Node { .. })));
    assert!((1..=4).contains(&most.load(Ordering::SeqCst)), "{most:?}");
}

#[tokio::test]
async fn a_pause_between_questions_is_kept_and_shortens_nobodys_time() {
    let arrivals = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&arrivals);
    let address = server(move |mut stream| {
        if question(&mut stream) == "/metadata" {
            log.lock().expect("nobody panicked").push(Instant::now());
        }
        let _ = stream.write_all(message("", METADATA).as_bytes());
    });
    let pause = Duration::from_millis(60);
    let limits = Limits { pause, all_nodes: Duration::from_secs(2), ..Limits::default() };
    let begin = Instant::now();
    let answers = ask(&targets(vec![address; 6]), &limits).await;
    assert!(answers.iter().all(|(_, answer)| matches!(answer, Answer::Node { .. })), "{answers:?}");
    let arrivals = arrivals.lock().expect("nobody panicked");
    for (place, arrival) in (0_u32..).zip(arrivals.iter()) {
        assert!(*arrival >= begin + pause * place, "question {place} came too early");
    }
}

/// Time lost to a node that hangs is not made up for by asking the next ones all at once.
#[tokio::test]
async fn a_pause_is_kept_when_there_was_no_room_for_a_while() {
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let closed = closed.expect("some port is free");
    let limits = Limits {
        at_once: 1,
        one_node: Duration::from_millis(300),
        pause: Duration::from_millis(100),
        ..Limits::default()
    };
    let begin = Instant::now();
    let answers = ask(&targets([hanging_node(), closed, closed, closed]), &limits).await;
    let answers: Vec<Answer> = answers.into_iter().map(|(_, answer)| answer).collect();
    assert_eq!(answers, [Answer::TimedOut, Answer::Refused, Answer::Refused, Answer::Refused]);
    assert!(begin.elapsed() >= limits.one_node + 2 * limits.pause, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn nobody_is_asked_when_there_is_nobody() {
    assert_eq!(ask(&[], &Limits::default()).await, []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_a_server_says_asking_ends(
        head in prop_oneof![Just(""), Just("HTTP/1.1 200 OK\r\n"), Just("HTTP/1.1 200 OK\r\ncontent-length: 40\r\n\r\n")],
        bytes in proptest::collection::vec(any::<u8>(), 0..600),
    ) {
        let address = parrot([head.as_bytes(), &bytes].concat());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let answer = runtime.block_on(answer(address, &Limits::default()));
        prop_assert!(matches!(answer, Answer::Broken { .. } | Answer::Foreign { .. }), "{:?}", answer);
    }
}
