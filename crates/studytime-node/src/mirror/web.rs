//! Asking web servers for blobs.

use super::guard::{self, Resolver};
use crate::http::{HttpOptions, tls};
use bytes::Bytes;
use reqwest::header::{CONTENT_RANGE, LOCATION, RANGE};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder, Response, StatusCode, Url, redirect};
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;
use studytime_blobs::mirror::{Mirror, MirrorError, path_of};
use studytime_schema::BlobId;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// How long a server may take to answer, and then between two pieces.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes a second below which an answer is given up.
const SLOWEST: u64 = 4 << 10;
/// Redirects followed at most.
const MAX_REDIRECTS: usize = 5;

/// A client under the rules for mirrors. Its calls block, and belong on threads
/// for blocking work.
pub(super) struct Web {
    client: Client,
    private: bool,
    runtime: Handle,
}

fn unreachable(reason: String, source: reqwest::Error) -> MirrorError {
    MirrorError::Unreachable {
        reason,
        // An address may hold a signature.
        source: Some(source.without_url().into()),
    }
}

fn refused(reason: impl Into<String>) -> MirrorError {
    MirrorError::Refused {
        reason: reason.into(),
    }
}

pub(super) fn host(url: &Url) -> String {
    url.host_str().unwrap_or("the server").to_owned()
}

impl Web {
    pub(super) fn new(private: bool, options: &HttpOptions) -> Result<Self, MirrorError> {
        Self::with(private, options, |client| client)
    }

    /// Like [`new`](Self::new), with more to say about the client.
    pub(super) fn with(
        private: bool,
        options: &HttpOptions,
        more: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<Self, MirrorError> {
        let tls = tls(options).map_err(|e| MirrorError::Unreachable {
            reason: e.to_string(),
            source: Some(e.into()),
        })?;
        let client = more(Client::builder())
            .tls_backend_preconfigured(tls)
            .dns_resolver(Arc::new(Resolver { private }))
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .connect_timeout(PATIENCE)
            .user_agent(concat!("studytime/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| unreachable("no client can be made".into(), e))?;
        let runtime = Handle::try_current().map_err(|e| refused(e.to_string()))?;
        Ok(Self {
            client,
            private,
            runtime,
        })
    }

    /// An address we may ask.
    pub(super) fn url(&self, text: &str) -> Result<Url, MirrorError> {
        let wrong = || {
            let text: String = text.chars().take(120).collect();
            refused(format!("{text:?} is not a web address"))
        };
        let url = Url::parse(text).map_err(|_| wrong())?;
        guard::check(&url, self.private).map_err(refused)?;
        Ok(url)
    }

    /// Asks once, or along redirects. Each address is held to the same rules, and
    /// what was meant for one server (a range is not secret) goes to no other.
    pub(super) fn ask(
        &self,
        method: &Method,
        mut url: Url,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
    ) -> Result<Response, MirrorError> {
        for _ in 0..=MAX_REDIRECTS {
            guard::check(&url, self.private).map_err(refused)?;
            let name = host(&url);
            let request = with(self.client.request(method.clone(), url.clone()));
            let answer = async { tokio::time::timeout(PATIENCE, request.send()).await };
            let response = match self.runtime.block_on(answer) {
                Ok(Ok(response)) => response,
                Ok(Err(e)) => return Err(unreachable(format!("{name} cannot be asked"), e)),
                Err(_) => return Err(silent(&name)),
            };
            let again = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !again || *method == Method::PUT {
                return Ok(response);
            }
            let to = response.headers().get(LOCATION);
            let to = to.and_then(|to| url.join(to.to_str().ok()?).ok());
            url = to.ok_or_else(|| refused(format!("{name} redirects to nowhere")))?;
        }
        Err(refused(format!(
            "{} redirects more than {MAX_REDIRECTS} times",
            host(&url)
        )))
    }

    /// A blob, or a part of a file, from one address. `range` is its first byte and
    /// its length there.
    pub(super) fn get(
        &self,
        id: &BlobId,
        url: Url,
        range: Option<(u64, u64)>,
        max: u64,
    ) -> Result<Box<dyn Read + Send>, MirrorError> {
        let name = host(&url);
        let last = |(start, len): (u64, u64)| start.saturating_add(len).saturating_sub(1);
        let response = self.ask(&Method::GET, url, |request| match range {
            Some(range) => request.header(RANGE, format!("bytes={}-{}", range.0, last(range))),
            None => request,
        })?;
        let status = response.status();
        match (status, range) {
            (StatusCode::OK, None) => {}
            (StatusCode::PARTIAL_CONTENT, Some(range)) => {
                let said = response.headers().get(CONTENT_RANGE);
                let said = said.and_then(|v| v.to_str().ok()).unwrap_or_default();
                let expected = format!("bytes {}-{}/", range.0, last(range));
                if !said.starts_with(&expected) {
                    return Err(refused(format!("{name} sent another part than asked for")));
                }
            }
            (StatusCode::OK | StatusCode::RANGE_NOT_SATISFIABLE, Some(_)) => {
                return Err(refused(format!("{name} does not serve parts of that file")));
            }
            _ => return Err(said_no(&name, status, id)),
        }
        if let Some(size) = response.content_length().filter(|s| *s > max) {
            return Err(MirrorError::TooLarge { id: *id, size, max });
        }
        Ok(Box::new(self.body(response, name, max)))
    }

    /// A short answer whole.
    #[cfg(feature = "bittorrent")]
    pub(super) fn small(&self, url: Url, max: u64) -> Result<Vec<u8>, MirrorError> {
        let name = host(&url);
        let response = self.ask(&Method::GET, url, |request| request)?;
        if !response.status().is_success() {
            let code = response.status().as_u16();
            return Err(refused(format!("{name} answered {code}")));
        }
        let mut bytes = Vec::new();
        let mut body = self.body(response, name.clone(), max).take(max + 1);
        let read = body.read_to_end(&mut bytes);
        read.map_err(|e| refused(format!("{name} broke off: {e}")))?;
        match bytes.len() as u64 > max {
            true => Err(refused(format!("{name} answered more than {max} bytes"))),
            false => Ok(bytes),
        }
    }

    fn body(&self, response: Response, name: String, max: u64) -> Body {
        let longest = Duration::from_secs(max / SLOWEST);
        Body {
            runtime: self.runtime.clone(),
            response,
            piece: Bytes::new(),
            until: Instant::now() + PATIENCE + longest,
            name,
        }
    }

    /// How long a blob is by what the server says.
    pub(super) fn head(&self, id: &BlobId, url: Url) -> Result<Option<u64>, MirrorError> {
        let name = host(&url);
        let response = self.ask(&Method::HEAD, url, |request| request)?;
        match response.status() {
            status if status.is_success() => {
                // Of a HEAD the length stands only in the header.
                let length = response.headers().get(reqwest::header::CONTENT_LENGTH);
                let length = length.and_then(|v| v.to_str().ok()?.parse().ok());
                length
                    .map(Some)
                    .ok_or_else(|| refused(format!("{name} does not say how long a file is")))
            }
            status => match said_no(&name, status, id) {
                MirrorError::NotFound { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Puts a blob at an address.
    pub(super) fn put(&self, id: &BlobId, url: Url, bytes: &[u8]) -> Result<(), MirrorError> {
        let name = host(&url);
        let bytes = Bytes::copy_from_slice(bytes);
        let response = self.ask(&Method::PUT, url, |request| request.body(bytes.clone()))?;
        match response.status() {
            status if status.is_success() => Ok(()),
            StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::NOT_IMPLEMENTED => Err(refused(format!(
                "{name} takes no files this way; copy the folder `blobs/sha256` of the data directory there by other means"
            ))),
            status => Err(said_no(&name, status, id)),
        }
    }
}

fn silent(name: &str) -> MirrorError {
    MirrorError::Unreachable {
        reason: format!("{name} did not answer within {} s", PATIENCE.as_secs()),
        source: None,
    }
}

fn said_no(name: &str, status: StatusCode, id: &BlobId) -> MirrorError {
    match status.as_u16() {
        404 | 410 => MirrorError::NotFound { id: *id },
        401 | 403 => refused(format!(
            "{name} answered {}: the keys are wrong, or may not do that",
            status.as_u16()
        )),
        code if status.is_redirection() => {
            refused(format!("{name} answered {code}: it wants another address"))
        }
        code => MirrorError::Unreachable {
            reason: format!("{name} answered {code}"),
            source: None,
        },
    }
}

/// An answer's bytes, read while they come.
struct Body {
    runtime: Handle,
    response: Response,
    piece: Bytes,
    /// However it drips, it ends.
    until: Instant,
    name: String,
}

impl Read for Body {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let until = self.until.min(Instant::now() + PATIENCE);
            let response = &mut self.response;
            let next = async { tokio::time::timeout_at(until, response.chunk()).await };
            match self.runtime.block_on(next) {
                Ok(Ok(Some(piece))) => self.piece = piece,
                Ok(Ok(None)) => return Ok(0),
                Ok(Err(e)) => return Err(io::Error::other(e.without_url())),
                Err(_) => {
                    let text = format!("{} is too slow", self.name);
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
            }
        }
        let n = self.piece.len().min(buf.len());
        let taken = self.piece.split_to(n);
        buf[..n].copy_from_slice(&taken);
        Ok(n)
    }
}

/// A folder on a web server.
pub(super) struct WebFolder {
    web: Web,
    base: Url,
    name: String,
}

impl WebFolder {
    pub(super) fn new(
        url: &str,
        private: bool,
        options: &HttpOptions,
    ) -> Result<Self, MirrorError> {
        Self::over(Web::new(private, options)?, url)
    }

    /// One that is asked by a client made before.
    pub(super) fn over(web: Web, url: &str) -> Result<Self, MirrorError> {
        let mut base = web.url(url)?;
        if base.query().is_some() || base.fragment().is_some() {
            return Err(refused(
                "the address of a mirror ends with a folder, without ? or #",
            ));
        }
        if !base.path().ends_with('/') {
            let path = format!("{}/", base.path());
            base.set_path(&path);
        }
        let name = host(&base);
        Ok(Self { web, base, name })
    }

    fn at(&self, id: &BlobId) -> Result<Url, MirrorError> {
        let url = self.base.join(&path_of(id));
        url.map_err(|e| refused(e.to_string()))
    }
}

impl Mirror for WebFolder {
    fn name(&self) -> &str {
        &self.name
    }

    fn fetch(&self, id: &BlobId, max: u64) -> Result<Box<dyn Read + Send>, MirrorError> {
        self.web.get(id, self.at(id)?, None, max)
    }

    fn claims(&self, id: &BlobId) -> Result<Option<u64>, MirrorError> {
        self.web.head(id, self.at(id)?)
    }

    fn put(&self, id: &BlobId, bytes: &[u8]) -> Result<(), MirrorError> {
        self.web.put(id, self.at(id)?, bytes)
    }
}
