//! The help texts, all of them, as one snapshot: they cannot drift unnoticed.

mod common;

use common::{bare, finish};

/// The help of a command and of everything below it.
fn collect(path: &[String], all: &mut String) {
    let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
    args.push("--help");
    let done = finish(bare(&args));
    assert_eq!(done.code, 0, "{args:?}: {done:?}");
    all.push_str(&format!(
        "$ studytime {}\n\n{}\n",
        args.join(" "),
        done.stdout
    ));
    let commands = done
        .stdout
        .lines()
        .skip_while(|l| *l != "Commands:")
        .skip(1);
    for line in commands.take_while(|l| l.starts_with("  ")) {
        // Continued lines are indented further.
        if let Some(name) = line.strip_prefix("  ").filter(|l| !l.starts_with(' ')) {
            let name = name
                .split_whitespace()
                .next()
                .unwrap_or_default()
                .to_owned();
            collect(&[path, &[name]].concat(), all);
        }
    }
}

#[test]
fn every_help_text() {
    let mut all = String::new();
    collect(&[], &mut all);
    insta::assert_snapshot!(all);
}

#[test]
fn the_version_is_said() {
    let done = finish(bare(&["--version"]));
    assert_eq!(
        done.stdout,
        format!("studytime {}\n", env!("CARGO_PKG_VERSION"))
    );
}
