//! A machine of its own in a temporary directory, three cycles, and why each did what it did.
#![expect(clippy::print_stdout, reason = "an example prints")]

use wnm::{Machine, Options, Silent, Trigger};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let options = Options::in_directory(directory.path())?.set("rewards_address", "faucet").set("node_cap", "3");
    let mut machine = Machine::init(&options, &Silent).await?;
    for cycle in 1..=3 {
        let report = machine.run(&Trigger::Cycle, &Silent).await?;
        for reason in &report.plan.reasons {
            println!("cycle {cycle}: {reason}");
        }
    }
    Ok(())
}
