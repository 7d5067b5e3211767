//! Nodes are asked how they are over HTTP, all at once, with a limit on everything: how many at a time, how long for one,
//! how long for all, and how much one may say.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use futures_util::future::{BoxFuture, Fuse, FutureExt};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::openmetrics;
use crate::node::{NodeId, UnixSeconds};
use crate::snapshot::Answer;

/// What asking may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nodes that are asked at the same time.
    pub at_once: usize,
    /// For one node: connecting and both its answers.
    pub one_node: Duration,
    /// For all nodes together; who was not asked by then was not asked.
    pub all_nodes: Duration,
    /// Between the beginnings of two questions; the time for all nodes grows by it.
    pub pause: Duration,
    /// What one answer may hold, in bytes.
    pub body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            at_once: 64,
            one_node: Duration::from_secs(3),
            all_nodes: Duration::from_secs(10),
            pause: Duration::ZERO,
            body_bytes: 1 << 20,
        }
    }
}

/// Asks nodes at the addresses of their metrics servers. Never through a proxy. Answers in the order of the call; those
/// whose turn did not come before the time for all was over have [`Answer::NotAsked`].
pub async fn ask(targets: &[(NodeId, SocketAddr)], limits: &Limits) -> Vec<(NodeId, Answer)> {
    ask_counted(targets, limits, &|_| ()).await
}

/// The same, telling `finished` after each node how many have answered or failed to so far.
pub async fn ask_counted(
    targets: &[(NodeId, SocketAddr)],
    limits: &Limits,
    finished: &(dyn Fn(usize) + Sync),
) -> Vec<(NodeId, Answer)> {
    let begin = Instant::now();
    let pauses = u32::try_from(targets.len()).unwrap_or(u32::MAX);
    let deadline = begin + limits.all_nodes + limits.pause.saturating_mul(pauses);
    // A turn comes when there is room for one more, and not before the pause since the last one is over.
    let limits = *limits;
    let addresses = targets.iter().map(|(_, address)| *address).enumerate().collect::<Vec<_>>().into_iter();
    let turns = stream::unfold((addresses, begin), move |(mut addresses, earliest)| async move {
        let next = addresses.next()?;
        sleep_until(earliest.min(deadline)).await;
        let now = Instant::now();
        (now < deadline).then_some((next, (addresses, now + limits.pause)))
    });
    let questions = turns.map(move |(place, address)| async move {
        let patience = deadline.min(Instant::now() + limits.one_node);
        (place, timeout_at(patience, one(address, &limits)).await.unwrap_or(Answer::TimedOut))
    });
    let mut answers: Vec<_> = targets.iter().map(|(id, _)| (*id, Answer::NotAsked)).collect();
    // In any order: one that hangs must not keep the others waiting.
    let mut answered = pin!(questions.buffer_unordered(limits.at_once.max(1)));
    let mut count = 0;
    while let Some((place, answer)) = answered.next().await {
        answers[place].1 = answer;
        count += 1;
        finished(count);
    }
    answers
}

/// The order in which to ask where there may be no time for all: the urgent first, and each kind from a place that is
/// another one each minute, so that everyone is asked within a few cycles.
#[must_use]
pub fn in_turn<T>(now: UnixSeconds, all: Vec<T>, is_urgent: impl Fn(&T) -> bool) -> Vec<T> {
    // What is left of the multiples of the golden ratio without their whole part (here times 2^64) spreads evenly,
    // whether cycles are one minute apart or an hour; a fixed step would come back to the same places.
    const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;
    let (mut urgent, mut rest): (Vec<T>, Vec<T>) = all.into_iter().partition(is_urgent);
    let part = u128::from(now.div_euclid(60).cast_unsigned().wrapping_mul(GOLDEN_RATIO));
    for kind in [&mut urgent, &mut rest] {
        let place = usize::try_from((part * kind.len() as u128) >> 64).unwrap_or(0);
        kind.rotate_left(place);
    }
    urgent.append(&mut rest);
    urgent
}

async fn one(address: SocketAddr, limits: &Limits) -> Answer {
    let asked = async {
        let mut line = Line::open(address).await?;
        let answer = line.get("/metadata", limits).await?;
        Ok((line, answer))
    };
    let (line, (status, text)) = match asked.await {
        Ok(asked) => asked,
        Err(failure) => return failure,
    };
    let Some(metadata) = openmetrics::metadata(&text) else {
        return Answer::Foreign { said: shortened(&format!("HTTP {}: {text}", status.as_u16())) };
    };
    // A node that names itself runs, also when the rest of what it says is broken or missing.
    let metrics = second(line, address, limits).await.map(|(_, text)| text).unwrap_or_default();
    Answer::Node {
        peer_id: metadata.peer_id,
        version: metadata.version,
        metrics: Box::new(openmetrics::metrics(&metrics)),
    }
}

/// The second question, on the same connection where the node has left it open.
async fn second(mut line: Line, address: SocketAddr, limits: &Limits) -> Result<(StatusCode, String), Answer> {
    if let Ok(answer) = line.get("/metrics", limits).await {
        return Ok(answer);
    }
    Line::open(address).await?.get("/metrics", limits).await
}

/// A connection to a node, and the work that it takes to keep it going.
struct Line {
    address: SocketAddr,
    sender: http1::SendRequest<Empty<Bytes>>,
    work: Fuse<BoxFuture<'static, ()>>,
}

impl Line {
    async fn open(address: SocketAddr) -> Result<Self, Answer> {
        let stream = TcpStream::connect(address).await.map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => Answer::Refused,
            _ => Answer::Broken { reason: error.to_string() },
        })?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // What went wrong with it, the exchange is told.
        let work: BoxFuture<'static, ()> = Box::pin(connection.map(drop));
        Ok(Self { address, sender, work: work.fuse() })
    }

    /// One question and its answer; half a body is better than none.
    async fn get(&mut self, path: &str, limits: &Limits) -> Result<(StatusCode, String), Answer> {
        let Self { address, sender, work } = self;
        let request = Request::get(path).header(header::HOST, address.to_string()).body(Empty::<Bytes>::new());
        let request = request.map_err(|error| Answer::Broken { reason: error.to_string() })?;
        let exchange = async {
            sender.ready().await.map_err(broken)?;
            let response = sender.send_request(request).await.map_err(no_answer)?;
            let status = response.status();
            let mut body = Limited::new(response.into_body(), limits.body_bytes);
            let mut bytes = Vec::new();
            // The end of what can be read is the end, whether it was meant to be or not.
            while let Some(Ok(frame)) = body.frame().await {
                bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| data));
            }
            Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
        };
        // The connection works as long as somebody waits for it.
        let working = async {
            work.await;
            std::future::pending().await
        };
        tokio::select! {
            answer = exchange => answer,
            never = working => never,
        }
    }
}

fn broken(error: hyper::Error) -> Answer {
    Answer::Broken { reason: error.to_string() }
}

/// What it means that no head of an answer came: who speaks another language than HTTP is no node; who breaks off may be
/// one.
fn no_answer(error: hyper::Error) -> Answer {
    if error.is_parse() {
        return Answer::Foreign { said: format!("no HTTP: {error}") };
    }
    Answer::Broken { reason: error.to_string() }
}

/// One line that can be shown on a terminal.
fn shortened(text: &str) -> String {
    const SHOWN: usize = 60;
    let text = text.replace(|character: char| character.is_control(), " ");
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN {
        return line;
    }
    line.chars().take(SHOWN).chain(['…']).collect()
}
