//! Where everything is kept.

use std::env;
use std::path::PathBuf;

const NAME: &str = "studytime";

/// The data directory: the option, `$STUDYTIME_DATA_DIR`, or the place this
/// system has for such things. `None` when the system names no home.
pub(crate) fn choose(option: Option<PathBuf>) -> Option<PathBuf> {
    option
        .or_else(|| var("STUDYTIME_DATA_DIR"))
        .or_else(platform)
}

/// A variable that is set and not empty.
fn var(name: &str) -> Option<PathBuf> {
    env::var_os(name)
        .filter(|v| !v.is_empty())
        .map(PathBuf::from)
}

fn platform() -> Option<PathBuf> {
    let home = || env::home_dir().filter(|h| !h.as_os_str().is_empty());
    if cfg!(windows) {
        return var("LOCALAPPDATA")
            .or_else(|| var("APPDATA"))
            .map(|d| d.join(NAME));
    }
    if cfg!(target_os = "macos") {
        return home().map(|h| h.join("Library/Application Support").join(NAME));
    }
    // A relative XDG_DATA_HOME is to be ignored (XDG Base Directory Specification).
    let xdg = var("XDG_DATA_HOME").filter(|d| d.is_absolute());
    xdg.or_else(|| home().map(|h| h.join(".local/share")))
        .map(|d| d.join(NAME))
}
