//! Promises about values that a shell, a unit file or a command line could take for something else.

use super::{ContractWorld, Trial, only, reference, references};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::ManagerError;

const HOSTILE: [&str; 9] = [
    "two words  and a blank at the end ",
    r#"it's "quoted" `twice`"#,
    "100% %n %h %% %i",
    "$HOME ${HOME} $(id) $$",
    r"back\slash \n \x41 \\",
    "ünïcödé 😀 \u{202e}",
    "line\nbreak\tand tab",
    "; echo hi && true | cat > /dev/null # & *",
    "-- {{ <a> &amp; ]]> [section]",
];

impl<W: ContractWorld> Trial<'_, W> {
    /// Hostile values arrive at the node exactly, or are refused by name; none is bent into something else.
    pub(super) async fn hostile_values(&self) {
        let numbered = (20..).zip(HOSTILE);
        let specs: Vec<_> = numbered
            .flat_map(|(number, value)| [self.with_value(number, value), self.with_path(number + 20, value)])
            .collect();
        let mut outcomes = self.manager.create(&references(&specs)).await;
        let mut nodes = vec![];
        for spec in &specs {
            match outcomes.take(spec.id).expect("each node has an outcome") {
                Err(ManagerError::Unusable { .. }) => {}
                other => nodes.push(reference(spec, other)),
            }
        }
        let mut started = self.manager.start(&nodes).await;
        for node in &nodes {
            match started.take(node.id()).expect("each node has an outcome") {
                Err(ManagerError::Unusable { .. }) => {}
                Err(error) => panic!("{:?} starts: {error}", node.spec),
                Ok(_) => self.assert_arrived(node).await,
            }
        }
        self.remove(&nodes).await;
    }

    fn with_value(&self, number: u32, value: &str) -> NodeSpec {
        let mut spec = self.world.spec(number);
        spec.environment.push(("WNM_HOSTILE".to_owned(), value.to_owned()));
        // An argument that begins with a dash would be an option of its own, to any node.
        spec.start_args.extend(["--peer".to_owned(), format!("peer {value}"), format!("--peer={value}")]);
        spec
    }

    fn with_path(&self, number: u32, value: &str) -> NodeSpec {
        let mut spec = self.world.spec(number);
        let name = format!("{} {}", spec.name, value.replace('/', "_"));
        let binary = spec.binary.file_name().map(ToOwned::to_owned).unwrap_or_default();
        spec.root_dir.set_file_name(&name);
        spec.log_dir.set_file_name(&name);
        spec.binary = spec.root_dir.join(binary);
        spec
    }

    async fn assert_arrived(&self, node: &NodeRef) {
        self.assert_running(node).await;
        let seen = self.seen(node).await;
        for (name, value) in &node.spec.environment {
            assert_eq!(seen["environment"][name], value.as_str(), "{name} arrives exactly");
        }
        let arguments: Vec<&str> =
            seen["arguments"].as_array().into_iter().flatten().filter_map(|word| word.as_str()).collect();
        let root_dir = node.spec.root_dir.to_string_lossy();
        let follow = |words: &[&str]| arguments.windows(words.len()).any(|window| window == words);
        assert!(follow(&["--root-dir", &root_dir]), "--root-dir {root_dir} arrives exactly: {arguments:?}");
        let own: Vec<&str> = node.spec.start_args.iter().map(String::as_str).collect();
        assert!(own.is_empty() || follow(&own), "{own:?} arrive exactly and in order: {arguments:?}");
    }

    /// What no process can be given is refused before anything is made.
    pub(super) async fn unusable_values(&self) {
        let spoiled: [fn(&mut NodeSpec); 4] = [
            |spec| spec.environment.push(("WNM_HOSTILE".to_owned(), "zero\0byte".to_owned())),
            |spec| spec.environment.push(("WNM=HOSTILE".to_owned(), "value".to_owned())),
            |spec| spec.environment.push((String::new(), "value".to_owned())),
            |spec| spec.start_args.push("zero\0byte".to_owned()),
        ];
        for spoil in spoiled {
            let mut spec = self.world.spec(60);
            spoil(&mut spec);
            let outcome = only(self.manager.create(&[NodeRef::new(spec.clone())]).await);
            assert!(matches!(outcome, Err(ManagerError::Unusable { .. })), "{outcome:?} for {spec:?}");
            assert!(!self.world.exists(&spec.root_dir).await, "nothing is made of it");
        }
    }
}
