//! Where a link in a text leads.

use crate::names::parent;

/// The target of a link, seen from the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// The web, mail, a place in the same text: nothing of the folder's.
    Elsewhere,
    /// A path inside the folder; nobody has looked whether it is there.
    Path(String),
    /// A path that leaves the folder.
    Outside,
}

/// Resolves a link of the file at `from`.
pub(crate) fn resolve(from: &str, target: &str) -> Target {
    let target = target.trim();
    let end = target.find(['#', '?']).unwrap_or(target.len());
    let path = target.get(..end).unwrap_or("");
    if path.is_empty() || path.starts_with("//") || has_scheme(path) || path.starts_with('&') {
        return Target::Elsewhere;
    }
    let decoded = percent_decode(path).replace('\\', "/");
    let mut parts: Vec<&str> = match decoded.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => parent(from).split('/').filter(|p| !p.is_empty()).collect(),
    };
    for part in decoded.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                if parts.pop().is_none() {
                    return Target::Outside;
                }
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Target::Elsewhere;
    }
    Target::Path(parts.join("/"))
}

fn has_scheme(path: &str) -> bool {
    path.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))
    })
}

/// Decodes `%20` and the like; what is not UTF-8 afterwards stays as it was.
fn percent_decode(text: &str) -> String {
    if !text.contains('%') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&b) = bytes.get(at) {
        let code = bytes
            .get(at + 1..at + 3)
            .filter(|_| b == b'%')
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code {
            Some(code) => {
                out.push(code);
                at += 3;
            }
            None => {
                out.push(b);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn targets() {
        let at = |t: &str| resolve("week 1/a.md", t);
        let path = |p: &str| Target::Path(p.to_owned());
        assert_eq!(at("img/x.png"), path("week 1/img/x.png"));
        assert_eq!(at("../x%20y.png#top"), path("x y.png"));
        assert_eq!(at("/x.png?raw=1"), path("x.png"));
        assert_eq!(at("./b.md"), path("week 1/b.md"));
        assert_eq!(at("img\\x.png"), path("week 1/img/x.png"));
        for elsewhere in [
            "https://x.org/a.png",
            "//x.org",
            "#top",
            "mailto:a@b",
            "data:x",
            "",
            "&abc",
        ] {
            assert_eq!(at(elsewhere), Target::Elsewhere, "{elsewhere}");
        }
        assert_eq!(at("../../etc/passwd"), Target::Outside);
        assert_eq!(at("%2e%2e/%2e%2e/etc/passwd"), Target::Outside);
        assert_eq!(at("100%.png"), path("week 1/100%.png"));
    }

    proptest! {
        #[test]
        fn never_leaves(from in "[a-c/]{0,10}", target in "[a-c./%2e\\\\ ]{0,20}") {
            if let Target::Path(path) = resolve(&from, &target) {
                prop_assert!(!path.is_empty());
                prop_assert!(path.split('/').all(|p| !matches!(p, "" | "." | "..")));
            }
        }
    }
}
