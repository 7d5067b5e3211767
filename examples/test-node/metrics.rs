//! A node's metrics server: `/metadata`, `/metrics` and `/metrics_extended` over HTTP/1.1, as antnode answers them.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crate::misbehaviour::{Answer, Misbehaviour};
use crate::{TestNode, files, spawn};

const METADATA: &str = include_str!("metadata.txt");
const METRICS: &str = include_str!("metrics.txt");
/// How long the next question is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
const TEXT: &str = "text/plain; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text;charset=utf-8;version=1.0.0";

/// Answers whoever asks, one after the other as a node's few threads do; one that keeps its askers waiting has a thread for
/// each.
pub fn serve(node: &Arc<TestNode>, listener: TcpListener) {
    let node = Arc::clone(node);
    spawn(move || {
        for stream in listener.incoming().flatten() {
            let answers_at_once = matches!(node.misbehaviour().answer, Answer::Well);
            let node = Arc::clone(&node);
            // An asker that goes away, or asks nothing, is no concern of the node.
            if answers_at_once {
                drop(stream.set_read_timeout(Some(PATIENCE)).and_then(|()| converse(&node, stream)));
            } else {
                spawn(move || drop(converse(&node, stream)));
            }
        }
    });
}

fn converse(node: &TestNode, stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::with_capacity(1024, stream);
    while let Some(Question { path, is_last }) = question(&mut reader)? {
        answer(node, &path, &mut writer)?;
        if is_last {
            break;
        }
    }
    Ok(())
}

struct Question {
    /// Anything but a GET asks for nothing that there is.
    path: String,
    /// Whether the asker wants the connection closed afterwards.
    is_last: bool,
}

/// What is asked next; none when the asker is done.
fn question(reader: &mut impl BufRead) -> std::io::Result<Option<Question>> {
    let mut first = String::new();
    if reader.read_line(&mut first)? == 0 {
        return Ok(None);
    }
    let path = first.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let mut is_last = false;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        is_last |= header.trim_end().eq_ignore_ascii_case("connection: close");
        header.clear();
    }
    Ok(Some(Question { path, is_last }))
}

fn answer(node: &TestNode, path: &str, writer: &mut TcpStream) -> std::io::Result<()> {
    let misbehaviour = node.misbehaviour();
    let (code, kind, body) = match path {
        "/metadata" => ("200 OK", OPEN_METRICS, metadata(node, &misbehaviour)),
        "/metrics" | "/metrics_extended" => ("200 OK", OPEN_METRICS, metrics(node, &misbehaviour)),
        _ => ("404 Not Found", TEXT, "Not found try localhost:[port]/metrics".to_owned()),
    };
    match misbehaviour.answer {
        Answer::Well => send(writer, code, kind, body.as_bytes()),
        Answer::Http404 => send(writer, "404 Not Found", "text/html", b"<html><h1>File not found</h1></html>"),
        Answer::Garbage => send(
            writer,
            "200 OK",
            kind,
            b"ant_node_uptime soon\n\xff\xfe{{{ 12 13 14\nant_networking_connected_peers -",
        ),
        Answer::Half => {
            write!(writer, "{}", head(code, kind, body.len()))?;
            writer.write_all(&body.as_bytes()[..body.len() / 2])?;
            Err(std::io::ErrorKind::ConnectionAborted.into())
        }
        Answer::Hang => {
            // Until the asker gives up.
            std::io::copy(&mut writer.try_clone()?, &mut std::io::sink()).map(drop)
        }
        Answer::Drip => {
            write!(writer, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n")?;
            loop {
                writer.write_all(b"#")?;
                thread::sleep(Duration::from_secs(1));
            }
        }
        Answer::Flood => {
            write!(writer, "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n\r\n")?;
            loop {
                writer.write_all(body.as_bytes())?;
            }
        }
    }
}

fn head(code: &str, kind: &str, length: usize) -> String {
    format!("HTTP/1.1 {code}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n")
}

fn send(writer: &mut TcpStream, code: &str, kind: &str, body: &[u8]) -> std::io::Result<()> {
    let mut message = head(code, kind, body.len()).into_bytes();
    message.extend_from_slice(body);
    writer.write_all(&message)
}

fn metadata(node: &TestNode, misbehaviour: &Misbehaviour) -> String {
    let peer_id = if misbehaviour.wrong_peer { files::peer_id(b"somebody else") } else { node.peer_id.clone() };
    METADATA.replace("{version}", &node.program.version).replace("{peer_id}", &peer_id)
}

/// Figures that move as a small node's do: a peer a second up to 40, a record every ten seconds.
fn metrics(node: &TestNode, misbehaviour: &Misbehaviour) -> String {
    let uptime = node.started.elapsed().as_secs();
    METRICS
        .replace("{uptime}", &uptime.to_string())
        .replace("{peers}", &if misbehaviour.no_peers { 0 } else { uptime.min(40) }.to_string())
        .replace("{memory}", &(misbehaviour.eat + 38).to_string())
        .replace("{records}", &(uptime / 10).to_string())
        .replace("{puts}", &(uptime / 10).to_string())
        .replace("{bytes}", &(uptime * 1500).to_string())
}
