//! Whatever happens to a node is read as it was written.

use proptest::prelude::*;
use wnm_core::event::Event;
use wnm_core::node::{Evidence, Node, Status};

use crate::rows::{NOW, lives, stored};
use crate::scratch;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn each_moment_of_a_life_is_read_as_it_was_written(is_new in any::<bool>(), course in lives::courses()) {
        let (spec, service) = (stored(1).spec, stored(1).service);
        let mut node = if is_new { Node::planned(spec, NOW) } else { Node::adopted(spec, service, NOW) };
        let mut scratch = scratch();
        let mut now = NOW;
        for (transition, seconds) in course {
            now += seconds;
            if node.apply(transition, now).is_err() {
                continue;
            }
            let row = Event::Reconciled { from: Status::Stopped, node: Box::new(node.clone()), why: Evidence::Running };
            scratch.apply(&[row]);
            prop_assert_eq!(&scratch.store.load().expect("the database is read").nodes, std::slice::from_ref(&node));
        }
    }
}
