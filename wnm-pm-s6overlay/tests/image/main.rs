//! The image on the real engine: what a container does with its nodes at its boot, while it runs and at its end.
//!
//! `image/build-test-image.sh` makes the image. Without an engine or without the image these tests are ignored.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "tests run docker, take times and print them, and what a container said before a failure"
)]

mod boot;
mod container;
mod crashes;
mod dockerfile;
mod ending;
mod metrics;
mod steering;

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([
        boot::trials(),
        crashes::trials(),
        dockerfile::trials(),
        ending::trials(),
        metrics::trials(),
        steering::trials(),
    ])
}
