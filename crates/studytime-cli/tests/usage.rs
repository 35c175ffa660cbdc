//! What is typed wrongly is said, with exit code 2, before anything is touched.

mod common;

use common::{Home, bare, finish};

const FEED: &str = "@AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=.ed25519";

#[test]
fn wrong_usage_is_exit_code_2() {
    let home = Home::new();
    let wrong: &[&[&str]] = &[
        &["learn"],
        &["course"],
        &["course", "show"],
        &["course", "show", "not-an-id"],
        &["course", "list", "--sort", "colour"],
        &["course", "list", "--level", "hard"],
        &["course", "start", FEED, "--timeout", "0"],
        &["lesson", "show", FEED, "one"],
        &["import"],
        &["import", ".", "--prune"],
        &["catalog", "publish", "Name"],
        &["catalog", "publish", "Name", FEED, "--from", "file"],
        &["catalog", "move", FEED, "first"],
        &["blob", "get", FEED],
        &["peer", "new-invite", "--uses", "0"],
        &["restore"],
        &["restore", "file", "--accept-loss"],
        &["feed", "check", "file", "--tip", "%x"],
        &["feed", "check", "file", "--hmac", "short"],
        &["serve", "--no-http", "--http", "127.0.0.1:0"],
        &["serve", "--listen", "nowhere"],
        &["serve", "--http", "127.0.0.1:99999"],
        &["whoami", "--verbose", "--quiet"],
        &["demo"], // with --data-dir
    ];
    for args in wrong {
        let done = home.run(args);
        assert_eq!(done.code, 2, "{args:?}: {done:?}");
        assert!(done.stderr.starts_with("error: "), "{args:?}: {done:?}");
        assert!(done.stdout.is_empty(), "{args:?}: {done:?}");
        let error = home.fails(2, args);
        assert_eq!(error["kind"], "usage", "{args:?}: {error}");
        assert!(!error["message"].as_str().unwrap().is_empty());
    }
    assert!(!home.data_dir().exists());
}

#[test]
fn a_wrong_network_key_is_said_wherever_it_comes_from() {
    let mut command = bare(&["whoami", "--json"]);
    let home = Home::new();
    command
        .env("STUDYTIME_DATA_DIR", home.data_dir())
        .env("STUDYTIME_NETWORK_KEY", "nonsense");
    let done = finish(command);
    assert_eq!(done.code, 2, "{done:?}");
    assert!(done.stderr.contains("STUDYTIME_NETWORK_KEY"), "{done:?}");
    assert_eq!(home.run(&["whoami", "--network-key", "x"]).code, 2);
    assert!(!home.data_dir().exists());
}
