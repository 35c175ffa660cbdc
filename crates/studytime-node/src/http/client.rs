//! The client itself.

use super::{HttpError, HttpOptions, LIMIT, MAX_BODY, MAX_REDIRECTS};
use crate::invite::answer;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Method, Response, Url, redirect};
use rustls::pki_types::CertificateDer;
use serde_json::Value;
use std::net::IpAddr;
use std::sync::Arc;

/// How servers are trusted: by the system's rules.
///
/// # Errors
/// [`HttpError::Roots`] when this machine trusts nobody.
pub(crate) fn tls(options: &HttpOptions) -> Result<rustls::ClientConfig, HttpError> {
    // Given to this client alone: a library sets nothing for the process.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let extra = options.extra_roots.iter();
    let extra = extra.map(|der| CertificateDer::from(der.clone()));
    let verifier =
        rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
            .map_err(|e| HttpError::Roots(e.into()))?;
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| HttpError::Roots(e.into()))?
        .dangerous()
        // The system's own rules; the method is called so because others could be given.
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}

/// Asks servers for JSON.
pub(crate) struct Http {
    client: Client,
    plain_loopback: bool,
}

impl Http {
    /// # Errors
    /// [`HttpError::Roots`] when this machine trusts nobody.
    pub(crate) fn new(options: &HttpOptions) -> Result<Self, HttpError> {
        let tls = tls(options)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .pool_max_idle_per_host(0)
            .user_agent(concat!("studytime/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|e| HttpError::Failed {
                host: "the network".into(),
                source: e.into(),
            })?;
        Ok(Self {
            client,
            plain_loopback: options.plain_loopback,
        })
    }

    /// Asks with `encoding=json` added to the query.
    pub(crate) async fn get_json(&self, url: &str) -> Result<Value, HttpError> {
        let mut url = self.url(url)?;
        if !url.query_pairs().any(|(name, _)| name == "encoding") {
            url.query_pairs_mut().append_pair("encoding", "json");
        }
        self.ask(Method::GET, url, None).await
    }

    /// Posts JSON and reads JSON.
    pub(crate) async fn post_json(&self, url: &str, body: &Value) -> Result<Value, HttpError> {
        self.ask(Method::POST, self.url(url)?, Some(body.to_string()))
            .await
    }

    /// A web address we may ask.
    fn url(&self, text: &str) -> Result<Url, HttpError> {
        let url =
            Url::parse(text).map_err(|_| HttpError::NotUrl(text.chars().take(120).collect()))?;
        self.check(&url)?;
        Ok(url)
    }

    fn check(&self, url: &Url) -> Result<(), HttpError> {
        match url.scheme() {
            "https" => Ok(()),
            "http" if self.plain_loopback && is_loopback(url) => Ok(()),
            "http" => Err(HttpError::NotHttps(host(url))),
            _ => Err(HttpError::NotUrl(url.as_str().chars().take(120).collect())),
        }
    }

    async fn ask(
        &self,
        method: Method,
        url: Url,
        body: Option<String>,
    ) -> Result<Value, HttpError> {
        let name = host(&url);
        let asked = self.follow(method, url, body);
        tokio::time::timeout(LIMIT, asked)
            .await
            .map_err(|_| HttpError::Timeout { host: name })?
    }

    /// Follows redirects ourselves: each hop is held to the same rules, and what is
    /// posted goes on only where the server says that it should be posted again.
    async fn follow(
        &self,
        method: Method,
        mut url: Url,
        body: Option<String>,
    ) -> Result<Value, HttpError> {
        for _ in 0..=MAX_REDIRECTS {
            let name = host(&url);
            let failed = |e: reqwest::Error| HttpError::Failed {
                host: name.clone(),
                // The address in it may hold the code of an invite.
                source: e.without_url().into(),
            };
            let mut request = self
                .client
                .request(method.clone(), url.clone())
                .header(ACCEPT, "application/json");
            if let Some(body) = &body {
                request = request
                    .header(CONTENT_TYPE, "application/json")
                    .body(body.clone());
            }
            let response = request.send().await.map_err(failed)?;
            let status = response.status();
            let again = match status.as_u16() {
                307 | 308 => true,
                301..=303 => method == Method::GET,
                _ => false,
            };
            if again {
                let to = response.headers().get(LOCATION);
                let to = to.and_then(|to| url.join(to.to_str().ok()?).ok());
                url = to.ok_or(HttpError::BadRedirect(name))?;
                self.check(&url)?;
                continue;
            }
            let bytes = read(response, &name).await?;
            let json = serde_json::from_slice::<Value>(&bytes).ok();
            if !status.is_success() {
                return Err(HttpError::Status {
                    host: name,
                    status: status.as_u16(),
                    said: json.as_ref().and_then(answer::refusal),
                });
            }
            return json.ok_or(HttpError::NotJson(name));
        }
        Err(HttpError::Redirects(host(&url)))
    }
}

async fn read(mut response: Response, name: &str) -> Result<Vec<u8>, HttpError> {
    let mut bytes = Vec::new();
    loop {
        let chunk = response.chunk().await.map_err(|e| HttpError::Failed {
            host: name.to_owned(),
            source: e.without_url().into(),
        })?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if bytes.len() + chunk.len() > MAX_BODY {
            return Err(HttpError::TooLong(name.to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or("the server").to_owned()
}

fn is_loopback(url: &Url) -> bool {
    let name = host(url);
    let ip: Option<IpAddr> = name.trim_matches(['[', ']']).parse().ok();
    name == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}
