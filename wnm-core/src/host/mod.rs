//! The host is what surrounds wnm on its machine: the firewall, the schedule that runs it, and what would keep nodes from
//! working.

pub mod doctor;
pub mod firewall;
pub mod schedule;
