//! Many nodes often fail for one reason. Their errors differ in the node's name, its ports and its process alone.

use crate::node::NodeId;

/// A reason that nodes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared<T = NodeId> {
    /// The nodes, in the order in which they came.
    pub nodes: Vec<T>,
    /// The reason. What differs from node to node is `…` in it.
    pub text: String,
}

/// Gathers the nodes that share a reason: what most nodes share comes first, and among equals what came first.
#[must_use]
pub fn by_reason<'a, T>(errors: impl IntoIterator<Item = (T, &'a str)>) -> Vec<Shared<T>> {
    let mut kinds: Vec<(Vec<Piece<'a>>, Vec<T>)> = Vec::new();
    for (node, text) in errors {
        let pieces = pieces(text);
        match kinds.iter_mut().find(|(known, _)| alike(known, &pieces)) {
            Some((known, nodes)) => {
                for (known, piece) in known.iter_mut().zip(pieces) {
                    known.blur(piece);
                }
                nodes.push(node);
            }
            None => kinds.push((pieces, vec![node])),
        }
    }
    let text = |pieces: Vec<Piece<'_>>| pieces.into_iter().map(Piece::text).collect();
    let mut shared: Vec<Shared<T>> =
        kinds.into_iter().map(|(pieces, nodes)| Shared { nodes, text: text(pieces) }).collect();
    shared.sort_by_key(|shared| std::cmp::Reverse(shared.nodes.len()));
    shared
}

/// A piece of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'a> {
    /// The same for all nodes that share the error.
    Words(&'a str),
    /// A node's own number, port or process.
    Own(&'a str),
    /// The same place, once it is known to differ.
    Differs,
}

impl<'a> Piece<'a> {
    fn blur(&mut self, other: Piece<'a>) {
        if *self != other {
            *self = Piece::Differs;
        }
    }

    fn text(self) -> &'a str {
        match self {
            Self::Words(text) | Self::Own(text) => text,
            Self::Differs => "…",
        }
    }
}

/// The same words around the same number of places.
fn alike(one: &[Piece<'_>], other: &[Piece<'_>]) -> bool {
    let words = |piece: &Piece<'_>| matches!(piece, Piece::Words(_));
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one == other || !(words(one) || words(other)))
}

/// Cuts an error at the numbers that are a node's or a group's own: what follows its name, and all of four digits or
/// more, which ports and most process ids are. Shorter ones, such as exit codes, are part of the reason.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    const SHORTEST_OWN: usize = 4;
    let mut pieces = Vec::new();
    let (mut begin, mut place) = (0, 0);
    while let Some(offset) = text[place..].find(|character: char| character.is_ascii_digit()) {
        let first = place + offset;
        let digits = text[first..].find(|character: char| !character.is_ascii_digit());
        let end = digits.map_or(text.len(), |length| first + length);
        let is_named = ["antnode", "container group a"].iter().any(|name| text[..first].ends_with(name));
        if end - first >= SHORTEST_OWN || is_named {
            pieces.extend([Piece::Words(&text[begin..first]), Piece::Own(&text[first..end])]);
            begin = end;
        }
        place = end;
    }
    pieces.push(Piece::Words(&text[begin..]));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shared(errors: &[(u32, &str)]) -> Vec<(Vec<u32>, String)> {
        let errors = errors.iter().map(|(number, text)| (NodeId(*number), *text));
        let numbers = |nodes: Vec<NodeId>| nodes.into_iter().map(|id| id.0).collect();
        by_reason(errors).into_iter().map(|shared| (numbers(shared.nodes), shared.text)).collect()
    }

    #[test]
    fn names_ports_and_processes_do_not_tell_reasons_apart() {
        let errors = [
            (1, "antnode0001 ended right after its start (exit code 7)\nhint: see its log in /logs/antnode0001"),
            (3, "UDP port 55003 is in use by nginx (pid 1234)"),
            (2, "antnode0002 ended right after its start (exit code 7)\nhint: see its log in /logs/antnode0002"),
            (4, "UDP port 55004 is in use by nginx (pid 1234)"),
            (5, "antnode0005 ended right after its start (exit code 9)\nhint: see its log in /logs/antnode0005"),
            (6, "UDP port 55006 is in use by nginx (pid 1234)"),
        ];
        let ended = |name: &str, code: u32| {
            format!("{name} ended right after its start (exit code {code})\nhint: see its log in /logs/{name}")
        };
        assert_eq!(
            shared(&errors),
            [
                (vec![3, 4, 6], "UDP port … is in use by nginx (pid 1234)".to_owned()),
                (vec![1, 2], ended("antnode…", 7)),
                (vec![5], ended("antnode0005", 9)),
            ]
        );
    }

    #[test]
    fn groups_share_reasons_too() {
        let closed = |group: u32, port: u32| format!("container group a{group} could not be opened: {port} is in use");
        let [one, other] = [closed(1, 13_007), closed(12, 15_000)];
        let text = "container group a… could not be opened: … is in use".to_owned();
        assert_eq!(shared(&[(1, &one), (12, &other)]), [(vec![1, 12], text)]);
    }

    #[test]
    fn one_error_stays_as_it_is() {
        for text in ["", "7", "antnode7", "no space left: 12345 bytes of 99999", "größer als 10000 €"] {
            assert_eq!(shared(&[(7, text)]), [(vec![7], text.to_owned())]);
        }
        assert_eq!(shared(&[]), []);
    }

    #[test]
    fn what_all_of_them_say_is_not_blurred() {
        let full = "cannot write 65536 bytes: no space left on device";
        assert_eq!(shared(&[(1, full), (2, full)]), [(vec![1, 2], full.to_owned())]);
    }
}
