//! Opening the pages in a browser, where there is one.

use std::env;
use std::process::{Command, Stdio};

/// Opens `url` in the user's browser; answers whether one was asked to.
pub(super) fn open(url: &str) -> bool {
    let Some(program) = program() else {
        return false;
    };
    if env::var_os("STUDYTIME_NO_BROWSER").is_some_and(|v| !v.is_empty()) {
        return false;
    }
    let mut command = Command::new(program);
    // Ctrl-C in our terminal is not meant for the browser.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let child = command
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => {
            // Nobody waits for a browser to be closed; its end is only noted.
            std::thread::spawn(move || child.wait());
            true
        }
        Err(_) => false,
    }
}

fn program() -> Option<&'static str> {
    let set = |name| env::var_os(name).is_some_and(|v| !v.is_empty());
    if cfg!(target_os = "macos") {
        Some("open")
    } else if cfg!(windows) {
        Some("explorer")
    } else if set("DISPLAY") || set("WAYLAND_DISPLAY") {
        Some("xdg-open")
    } else {
        None
    }
}
