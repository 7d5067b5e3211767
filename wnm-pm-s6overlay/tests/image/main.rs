//! The image on the real engine: what a container does with its nodes at its boot, while it runs and at its end.
//!
//! `image/build-test-image.sh` makes the image. Without an engine or without the image everything here is left out.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "tests tell times, and what a container said before a failure"
)]

mod boot;
mod container;
mod crashes;
mod dockerfile;
mod ending;
mod metrics;
mod steering;
