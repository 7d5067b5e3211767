//! The reference page is what the table says.

use std::path::Path;

use wnm_core::settings::{Layers, TABLE, reference};

use super::good;

#[test]
fn the_reference_page_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    if std::env::var_os("WNM_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, reference()).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).expect("the page is there");
    assert!(page == reference(), "docs/settings.md is out of date; its first lines say how to write it anew");
}

#[test]
fn every_setting_has_a_name_of_its_own_a_help_and_a_section() {
    let page = reference();
    for (index, setting) in TABLE.iter().enumerate() {
        assert!(setting.help.ends_with('.') && !setting.help.contains("  "), "{}: {:?}", setting.name, setting.help);
        assert!(page.contains(&format!("\n### {}\n", setting.name)));
        assert!(TABLE[..index].iter().all(|other| other.name != setting.name));
        assert!(setting.name.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
    }
}

#[test]
fn the_file_on_the_page_is_one() {
    let page = reference();
    let file = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("it shows a file");
    let config = good(&Layers::default().file(Path::new("/etc/wnm/config.toml"), file));
    assert_eq!((config.node_cap, config.cpu_remove, config.rewards_address.to_string().as_str()), (30, 75.5, "faucet"));
    assert_eq!(config.start_args, ["--log-format", "json"]);
    assert_eq!(config.environment[1], ("NOTE".to_owned(), "two words".to_owned()));
}
