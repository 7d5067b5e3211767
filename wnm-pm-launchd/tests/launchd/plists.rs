//! Property lists, read by other programs than the crate that wrote them.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::process::Command;

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ProcessManager;
use wnm_testing::Need::Program;
use wnm_testing::{ContractWorld, metrics_port, node_port, only};

use crate::world::World;

/// Prints a property list as JSON.
const READER: &str =
    "import json, plistlib, sys\nprint(json.dumps(plistlib.load(open(sys.argv[1], 'rb')), sort_keys=True))";

async fn pythons_reader_sees_what_was_meant() {
    let world = World::new();
    let mut spec = world.spec(7);
    let hostile = "<a> &amp; ]]> \"q\" 'q' $HOME \\n 100% ünïcödé 😀\n\ttwo  blanks at the end  ";
    spec.environment = vec![("HOSTILE".to_owned(), hostile.to_owned()), ("EMPTY".to_owned(), String::new())];
    spec.start_args = vec!["--peer".to_owned(), format!(" {hostile}")];
    let node = world.created(&world.manager(), &spec).await;
    let path = world.plist(&node.service);
    let output =
        Command::new(crate::world::python()).args(["-c", READER]).arg(&path).output().expect("python3 can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it printed JSON");

    let program = node.spec.binary.to_string_lossy().into_owned();
    let line: Vec<String> = std::iter::once(program).chain(node.launch.arguments.clone()).collect();
    assert_eq!(seen["ProgramArguments"].take(), serde_json::json!(line));
    assert_eq!(seen["EnvironmentVariables"].take(), serde_json::json!({ "HOSTILE": hostile, "EMPTY": "" }));
    let output = node.spec.log_dir.join("output.log");
    for key in ["StandardOutPath", "StandardErrorPath"] {
        assert_eq!(seen[key].take(), serde_json::json!(output));
    }
    assert_eq!(seen["WorkingDirectory"].take(), serde_json::json!(node.spec.root_dir));
    insta::assert_snapshot!(serde_json::to_string_pretty(&seen).expect("it is JSON"), @r#"
    {
      "EnvironmentVariables": null,
      "ExitTimeOut": 20,
      "HardResourceLimits": {
        "NumberOfFiles": 8192
      },
      "KeepAlive": true,
      "Label": "com.autonomi.antnode-7",
      "ProcessType": "Standard",
      "ProgramArguments": null,
      "RunAtLoad": true,
      "SoftResourceLimits": {
        "NumberOfFiles": 8192
      },
      "StandardErrorPath": null,
      "StandardOutPath": null,
      "Umask": 63,
      "WorkingDirectory": null
    }
    "#);
}

async fn libplist_takes_it_too() {
    let world = World::new();
    let node = world.created(&world.manager(), &world.spec(1)).await;
    let mut reader = Command::new("plistutil");
    reader.arg("-i").arg(world.plist(&node.service)).args(["-o", "-", "-f", "xml"]);
    let read = reader.output().expect("plistutil can be run");
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    assert!(String::from_utf8_lossy(&read.stdout).contains("<string>com.autonomi.antnode-1</string>"));
}

async fn a_property_list_says_all_that_launchd_is_told() {
    let world = World::new();
    let node = world.created(&world.manager(), &world.spec(7)).await;
    let text = fs::read_to_string(world.plist(&node.service)).expect("it was written");
    let directory = world.directory.path().to_str().expect("it is text");
    let text = text
        .replace(directory, "/DIR")
        .replace(&node_port(&node.spec).to_string(), "NODE")
        .replace(&metrics_port(&node.spec).to_string(), "METRICS");
    insta::assert_snapshot!(text, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
    <plist version="1.0">
    <dict>
    	<key>Label</key>
    	<string>com.autonomi.antnode-7</string>
    	<key>ProgramArguments</key>
    	<array>
    		<string>/DIR/node/antnode0007/antnode</string>
    		<string>--bootstrap-cache-dir</string>
    		<string>/DIR/bootstrap-cache</string>
    		<string>--root-dir</string>
    		<string>/DIR/node/antnode0007</string>
    		<string>--port</string>
    		<string>NODE</string>
    		<string>--enable-metrics-server</string>
    		<string>--metrics-server-port</string>
    		<string>METRICS</string>
    		<string>--log-output-dest</string>
    		<string>/DIR/log/antnode0007</string>
    		<string>--max-log-files</string>
    		<string>1</string>
    		<string>--max-archived-log-files</string>
    		<string>1</string>
    		<string>--no-upnp</string>
    		<string>--rewards-address</string>
    		<string>0x03B770D9cD32077cC0bF330c13C114a87643B124</string>
    		<string>evm-arbitrum-one</string>
    	</array>
    	<key>WorkingDirectory</key>
    	<string>/DIR/node/antnode0007</string>
    	<key>StandardOutPath</key>
    	<string>/DIR/log/antnode0007/output.log</string>
    	<key>StandardErrorPath</key>
    	<string>/DIR/log/antnode0007/output.log</string>
    	<key>RunAtLoad</key>
    	<true/>
    	<key>KeepAlive</key>
    	<true/>
    	<key>ExitTimeOut</key>
    	<integer>20</integer>
    	<key>ProcessType</key>
    	<string>Standard</string>
    	<key>SoftResourceLimits</key>
    	<dict>
    		<key>NumberOfFiles</key>
    		<integer>8192</integer>
    	</dict>
    	<key>HardResourceLimits</key>
    	<dict>
    		<key>NumberOfFiles</key>
    		<integer>8192</integer>
    	</dict>
    	<key>Umask</key>
    	<integer>63</integer>
    	<key>EnvironmentVariables</key>
    	<dict>
    		<key>WNM_TEST_NODE</key>
    		<string>record</string>
    	</dict>
    </dict>
    </plist>
    "#);
}

async fn what_a_property_list_cannot_carry_is_refused_by_name() {
    let world = World::new();
    let mut spec = world.spec(1);
    spec.environment = vec![("BELL".to_owned(), "ding\u{7}".to_owned())];
    let refused = async |spec| {
        let error = only(world.manager().create(&[NodeRef::new(spec)]).await).expect_err("XML cannot carry it");
        error.text()
    };
    let error = refused(spec).await;
    insta::assert_snapshot!(error, @r#"the value of BELL "ding\u{7}" cannot be used: it holds '\u{7}', which a property list cannot carry"#);
    let mut spec = world.spec(1);
    spec.start_args = vec!["--peer".to_owned(), "a\r\nb".to_owned()];
    let error = refused(spec).await;
    insta::assert_snapshot!(error, @r#"an argument "a\r\nb" cannot be used: it holds '\r', which a property list cannot carry"#);
}

wnm_testing::trials! {
    &[Program("python3")] => pythons_reader_sees_what_was_meant;
    &[Program("plistutil")] => libplist_takes_it_too;
    &[] => a_property_list_says_all_that_launchd_is_told, what_a_property_list_cannot_carry_is_refused_by_name;
}
