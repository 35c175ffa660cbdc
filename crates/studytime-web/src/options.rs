use std::net::SocketAddr;

/// Largest body of a form or JSON request, in bytes.
pub const MAX_BODY: usize = 512 * 1024;

/// How the pages are served.
#[derive(Clone)]
pub struct Options {
    hosts: Vec<String>,
    pub(crate) cookie: Option<String>,
    pub(crate) token: Option<String>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The tokens are secrets.
        f.debug_struct("Options")
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// For pages at `address`, the one the listener is bound to: answers to
    /// that address, and to `localhost` when it is a loopback address or the
    /// wildcard (other names of this machine must be [allowed](Self::allow_host)). Makes the
    /// tokens of this start; should the system have no randomness, the pages
    /// can be read, but every form is refused.
    pub fn new(address: SocketAddr) -> Self {
        let port = address.port();
        let mut options = Self {
            hosts: vec![address.to_string()],
            cookie: random_text(),
            token: random_text(),
        };
        let ip = address.ip();
        if ip.is_loopback() || ip.is_unspecified() {
            options = options.allow_host(format!("localhost:{port}"));
        }
        if ip.is_unspecified() {
            let own = if ip.is_ipv4() { "127.0.0.1" } else { "[::1]" };
            options = options.allow_host(format!("{own}:{port}"));
        }
        if port == 80 {
            // Browsers leave the default port out.
            let bare: Vec<_> = options
                .hosts
                .iter()
                .map(|h| h.trim_end_matches(":80").to_owned())
                .collect();
            options.hosts.extend(bare);
        }
        options
    }

    /// Also answers to this name: `name:port`, as browsers send it in `Host`.
    /// Default: only the address and `localhost`. A name that others can point
    /// at this machine opens the pages to the sites that run there.
    #[must_use]
    pub fn allow_host(mut self, host: impl Into<String>) -> Self {
        self.hosts.push(host.into().to_ascii_lowercase());
        self
    }

    /// Whether a `Host` header names these pages.
    pub(crate) fn answers_to(&self, host: &str) -> bool {
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    /// Whether an `Origin` header names these pages.
    pub(crate) fn is_own_origin(&self, origin: &str) -> bool {
        origin
            .strip_prefix("http://")
            .is_some_and(|host| self.answers_to(host))
    }
}

/// 32 random bytes as hexadecimal text.
fn random_text() -> Option<String> {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_names_are_answered_to() {
        let at = |address: &str| Options::new(address.parse().unwrap());
        assert!(at("127.0.0.1:80").answers_to("localhost"));
        assert!(
            at("[::1]:7000").answers_to("[::1]:7000")
                && at("[::1]:7000").answers_to("localhost:7000")
        );
        assert!(at("0.0.0.0:7000").answers_to("127.0.0.1:7000"));
        let lan = at("192.168.1.5:7000");
        assert!(lan.answers_to("192.168.1.5:7000") && !lan.answers_to("localhost:7000"));
        assert!(
            lan.allow_host("School.local:7000")
                .is_own_origin("http://school.local:7000")
        );
        assert!(!at("127.0.0.1:7000").is_own_origin("https://127.0.0.1:7000"));
    }

    #[test]
    fn tokens_differ_and_are_not_shown() {
        let options = Options::new("127.0.0.1:1".parse().unwrap());
        let (cookie, token) = (
            options.cookie.clone().unwrap(),
            options.token.clone().unwrap(),
        );
        assert_ne!(cookie, token);
        let shown = format!("{options:?}");
        assert!(!shown.contains(&cookie) && !shown.contains(&token));
    }
}
