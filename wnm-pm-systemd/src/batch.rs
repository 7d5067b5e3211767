//! A batch is the nodes of one call, each with what became of it so far. A step is one program for all of them.

use wnm_pm::command::Command;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::systemctl::Systemctl;

/// One node of a batch.
pub(crate) struct Item<'a> {
    pub(crate) spec: &'a NodeSpec,
    /// The name of its unit.
    pub(crate) unit: String,
    failure: Option<ManagerError>,
}

impl Item<'_> {
    /// The last step of a node that goes no further.
    pub(crate) fn fail(&mut self, error: ManagerError) {
        self.failure.get_or_insert(error);
    }

    pub(crate) fn is_good(&self) -> bool {
        self.failure.is_none()
    }
}

/// The nodes of one call.
pub(crate) struct Batch<'a>(pub(crate) Vec<Item<'a>>);

impl<'a> Batch<'a> {
    /// Nodes that nobody has named a unit of yet.
    pub(crate) fn of_specs(specs: &'a [NodeSpec]) -> Self {
        Self(specs.iter().map(|spec| Item { spec, unit: unit_name(&spec.name), failure: None }).collect())
    }

    /// Nodes with the units that the record names.
    pub(crate) fn of_nodes(nodes: &'a [NodeRef]) -> Self {
        let item = |node: &'a NodeRef| Item { spec: &node.spec, unit: unit_name(&node.service), failure: None };
        Self(nodes.iter().map(item).collect())
    }

    /// Those that nothing went wrong with.
    pub(crate) fn good(&mut self) -> impl Iterator<Item = &mut Item<'a>> {
        self.0.iter_mut().filter(|item| item.is_good())
    }

    /// The units of those that nothing went wrong with.
    pub(crate) fn units(&self) -> Vec<String> {
        self.0.iter().filter(|item| item.is_good()).map(|item| item.unit.clone()).collect()
    }

    /// The nodes that something went wrong with.
    pub(crate) fn bad(&self) -> impl Iterator<Item = &'a NodeSpec> {
        self.0.iter().filter(|item| !item.is_good()).map(|item| item.spec)
    }

    /// A batch of those good nodes that are wanted.
    pub(crate) fn part(&self, wanted: impl Fn(&Item<'a>) -> bool) -> Self {
        let items = self.0.iter().filter(|item| item.is_good() && wanted(item));
        Self(items.map(|item| Item { spec: item.spec, unit: item.unit.clone(), failure: None }).collect())
    }

    /// A batch of those nodes that something went wrong with, for another try.
    pub(crate) fn failed_part(&self) -> Self {
        let items = self.0.iter().filter(|item| !item.is_good());
        Self(items.map(|item| Item { spec: item.spec, unit: item.unit.clone(), failure: None }).collect())
    }

    /// What went wrong with which unit.
    pub(crate) fn failures(self) -> impl Iterator<Item = (String, ManagerError)> {
        self.0.into_iter().filter_map(|item| Some((item.unit, item.failure?)))
    }

    /// Something more went wrong with a node that had failed already.
    pub(crate) fn add_to_failure(&mut self, unit: &str, second: &str) {
        let item = self.0.iter_mut().find(|item| item.unit == unit);
        if let Some(first) = item.and_then(|item| item.failure.as_mut()) {
            *first = ManagerError::Failed(format!("{first}\n{second}"));
        }
    }

    /// What went wrong with the nodes of a part went wrong with these.
    pub(crate) fn take_failures(&mut self, part: Self) {
        for of_part in part.0 {
            let item = self.0.iter_mut().find(|item| item.unit == of_part.unit);
            if let (Some(item), Some(error)) = (item, of_part.failure) {
                item.fail(error);
            }
        }
    }

    /// Looks at each node; what is found fails it.
    pub(crate) fn check(&mut self, check: impl Fn(&Item<'a>) -> Result<(), ManagerError>) {
        for item in self.good() {
            if let Err(error) = check(item) {
                item.fail(error);
            }
        }
    }

    /// Does something that all depend on; should it fail, all do, each with its own copy of the reason.
    pub(crate) fn all<T>(&mut self, outcome: Result<T, ManagerError>) -> Option<T> {
        let error = match outcome {
            Ok(value) => return Some(value),
            Err(error) => error,
        };
        for item in self.good() {
            item.fail(again(&error));
        }
        None
    }

    /// Runs one program for all good nodes. Should it fail, it is run for each alone, so that each has its own outcome:
    /// every step may be repeated.
    pub(crate) async fn step(&mut self, systemctl: &Systemctl, command: impl Fn(&[&Item<'a>]) -> Command) {
        let good: Vec<&Item<'a>> = self.0.iter().filter(|item| item.is_good()).collect();
        if good.is_empty() {
            return;
        }
        let together = systemctl.succeed(command(&good)).await;
        match together {
            Ok(_) => {}
            Err(error) if good.len() == 1 || matches!(error, ManagerError::Unavailable { .. }) => {
                self.all::<()>(Err(error));
            }
            Err(_) => {
                for item in self.good() {
                    if let Err(error) = systemctl.succeed(command(&[item])).await {
                        item.fail(error);
                    }
                }
            }
        }
    }

    /// What became of each node; `good` answers for those that nothing went wrong with.
    pub(crate) fn outcomes<T>(self, mut good: impl FnMut(&Item<'a>) -> Outcome<T>) -> Vec<Outcome<T>> {
        let outcome = |mut item: Item<'a>| match item.failure.take() {
            Some(error) => Err(error),
            None => good(&item),
        };
        self.0.into_iter().map(outcome).collect()
    }
}

/// `antnode0007.service`; the record of an older wnm may hold either spelling.
fn unit_name(service: &str) -> String {
    let name = service.strip_suffix(".service").unwrap_or(service);
    format!("{name}.service")
}

/// The same failure once more, for another node: an error that holds the machine's own cannot be copied.
fn again(error: &ManagerError) -> ManagerError {
    match error {
        ManagerError::Unavailable { manager, reason, hint } => {
            ManagerError::Unavailable { manager: manager.clone(), reason: reason.clone(), hint: hint.clone() }
        }
        ManagerError::Command(error) => ManagerError::Command(error.clone()),
        other => ManagerError::Failed(other.to_string()),
    }
}
