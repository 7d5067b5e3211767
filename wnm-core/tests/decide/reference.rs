//! The reference page of the rules is what the table says.

use std::path::Path;

use wnm_core::plan::Rule;
use wnm_core::report::rules_page;
use wnm_core::settings::lookup;

#[test]
fn the_page_of_the_rules_is_that_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    if std::env::var_os("WNM_WRITE_REFERENCE").is_some() {
        std::fs::write(&path, rules_page()).expect("the page can be written");
    }
    let page = std::fs::read_to_string(&path).expect("the page is there");
    assert!(page == rules_page(), "docs/rules.md is out of date; its first lines say how to write it anew");
}

#[test]
fn every_rule_has_a_word_of_its_own_and_one_line_that_explains_it() {
    let page = rules_page();
    for (place, rule) in Rule::ALL.iter().enumerate() {
        let (word, explanation) = (rule.as_str(), rule.explanation());
        assert!(Rule::ALL[..place].iter().all(|other| other.as_str() != word), "{word}");
        assert!(word.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{word}");
        assert!(explanation.ends_with('.') && !explanation.contains("  ") && !explanation.contains('\n'), "{word}");
        assert_eq!(serde_json::to_value(rule).expect("it is JSON"), word, "JSON has the same word");
        let name = if lookup(word).is_some() { format!("[{word}](settings.md#{word})") } else { word.to_owned() };
        assert_eq!(page.matches(&format!("\n| {name} | ")).count(), 1, "{word}");
    }
}

#[test]
fn a_setting_that_an_explanation_names_exists() {
    for rule in Rule::ALL {
        for name in rule.explanation().split('`').skip(1).step_by(2) {
            assert!(lookup(name).is_some(), "{rule} names {name}");
        }
    }
}
