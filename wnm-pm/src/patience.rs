//! Patience: something is asked about again and again, until it has happened or has taken too long.

use std::collections::BTreeSet;
use std::future::ready;
use std::time::Duration;

use tokio::time::Instant;

use crate::node::Ports;
use crate::port::Protocol;
use crate::port_use::ports_in_use;

/// Asks every `pause` until there is an answer; none once `limit` has passed. Asks once at least.
pub async fn poll<T, F>(limit: Duration, pause: Duration, mut ask: impl FnMut() -> F) -> Option<T>
where
    F: Future<Output = Option<T>>,
{
    let began = Instant::now();
    loop {
        let answer = ask().await;
        if answer.is_some() || began.elapsed() >= limit {
            return answer;
        }
        tokio::time::sleep(pause).await;
    }
}

/// How long nodes that were just started are watched before they count as started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settling {
    /// A node that has lived this long and has its ports has started.
    pub least: Duration,
    /// A node that has lived this long has started, ports or not.
    pub most: Duration,
}

impl Settling {
    /// How often young processes are asked about.
    const PAUSE: Duration = Duration::from_millis(20);

    /// Watches nodes that were started at the same time, until none of them lives any more or all that live have started.
    /// `living` answers each time with the ports of those that live.
    pub async fn watch(self, mut living: impl FnMut() -> Vec<Ports>) {
        let began = Instant::now();
        let settled = || {
            let living = living();
            let has_settled = began.elapsed() >= self.least && all_listen(&living);
            ready((living.is_empty() || has_settled).then_some(()))
        };
        poll(self.most, Self::PAUSE, settled).await;
    }
}

/// Whether every public port of these nodes is held: a metrics server may take minutes, or never come.
fn all_listen(nodes: &[Ports]) -> bool {
    Protocol::ALL.into_iter().all(|protocol| {
        let public =
            nodes.iter().flat_map(Ports::iter).filter(|(kind, _)| kind.is_public() && kind.protocol() == protocol);
        let mut public = public.peekable();
        let held = if public.peek().is_some() { ports_in_use(protocol) } else { BTreeSet::new() };
        public.all(|(_, port)| held.contains(&port))
    })
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use super::*;
    use crate::port::PortKind;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[tokio::test]
    async fn what_happens_is_answered_and_what_takes_too_long_is_not() {
        let mut asked = 0;
        let third = poll(milliseconds(10_000), Duration::ZERO, || {
            asked += 1;
            ready((asked == 3).then_some(asked))
        });
        assert_eq!(third.await, Some(3));
        let began = Instant::now();
        assert_eq!(poll(milliseconds(30), milliseconds(1), || ready(None::<()>)).await, None);
        assert!(began.elapsed() >= milliseconds(30));
        assert_eq!(
            poll(Duration::ZERO, milliseconds(1), || ready(Some(1))).await,
            Some(1),
            "it is asked once at least"
        );
    }

    /// How long nodes were watched; each answer about them comes a pause after the one before.
    async fn watched(least: u64, most: u64, answers: impl FnMut() -> Vec<Ports>) -> Duration {
        let began = Instant::now();
        let settling = Settling { least: milliseconds(least), most: milliseconds(most) };
        settling.watch(answers).await;
        began.elapsed()
    }

    #[tokio::test]
    async fn nodes_are_watched_until_they_listen_or_are_dead_or_have_lived_long_enough() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
        let port = socket.local_addr().expect("it is bound").port();
        // Nobody listens on a metrics port for the world.
        let ports = Ports::default().with(PortKind::Node, port).with(PortKind::Metrics, 1);
        let long = milliseconds(5000);
        if cfg!(target_os = "linux") {
            let took = watched(60, 10_000, || vec![ports.clone()]).await;
            assert!((milliseconds(60)..long).contains(&took), "{took:?}");
        }
        drop(socket);
        let took = watched(0, 100, || vec![ports.clone()]).await;
        assert!((milliseconds(100)..long).contains(&took), "{took:?}");
        let mut lives = vec![vec![], vec![ports]];
        let took = watched(10_000, 10_000, || lives.pop().unwrap_or_default()).await;
        assert!(took < long, "{took:?}");
    }
}
