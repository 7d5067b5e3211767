//! What programs that embed wnm lean on.

use wnm::{Address, Machine, Options, Settings, Silent, Trigger};

/// A cycle can be moved to another thread of a runtime.
#[test]
fn the_future_of_a_cycle_can_be_spawned() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let address: Address = "0x00455d78f850b0358E8cea5be24d415E01E107CF".parse().expect("an address");
    let settings = Settings::new().rewards_address(address).node_cap(0_u32).no_upnp(true).cpu_less_than(40);
    let options = Options::in_directory(directory.path())
        .expect("a home")
        .set("process_manager", "setsid+user")
        .settings(settings);
    let plan = runtime.block_on(async move {
        let cycle = tokio::spawn(async move {
            let mut machine = Machine::init(&options, &Silent).await?;
            let report = machine.run(&Trigger::Cycle, &Silent).await?;
            let observation = machine.observe(&Silent).await?;
            machine.plan(&observation, &Trigger::Cycle)?;
            Ok::<_, wnm::Error>((report.plan, machine.config().no_upnp))
        });
        cycle.await.expect("it does not panic")
    });
    let (plan, no_upnp) = plan.expect("a machine without nodes");
    assert!(no_upnp);
    assert_eq!(plan.actions.iter().map(ToString::to_string).collect::<Vec<_>>(), ["check all nodes"]);
}
