//! An address to listen on, from the command line, the settings, or by default.

use crate::failure::{Failure, port_error};
use crate::render::Out;
use std::io;
use std::net::SocketAddr;
use studytime_node::api::{ApiError, ErrorKind};
use tokio::net::TcpListener;

/// Where to listen.
#[derive(Debug)]
pub(super) struct Place {
    text: String,
    /// What a wrong text is: the user's command line, or the settings file.
    wrong: ErrorKind,
    /// Where to choose another one, for hints.
    option: &'static str,
    /// Nobody asked for exactly this one.
    by_default: bool,
    /// Whether another port does as well.
    or_free: bool,
}

impl Place {
    pub(super) fn choose(
        option: Option<String>,
        config: Option<String>,
        default: &str,
        name: &'static str,
    ) -> Self {
        let place = |text, wrong, by_default| Self {
            text,
            wrong,
            option: name,
            by_default,
            or_free: false,
        };
        match (option, config) {
            (Some(text), _) => place(text, ErrorKind::Usage, false),
            (None, Some(text)) => place(text, ErrorKind::Refused, false),
            (None, None) => place(default.to_owned(), ErrorKind::Failed, true),
        }
    }

    /// Where nobody asked for the port, another one does as well.
    pub(super) fn or_free(mut self) -> Self {
        self.or_free = self.by_default;
        self
    }

    /// The address that the text means.
    pub(super) async fn resolve(&self) -> Result<SocketAddr, Failure> {
        if let Ok(address) = self.text.parse() {
            return Ok(address);
        }
        let wrong = |why: &str| {
            ApiError::new(self.wrong, format!("{:?} is no address to listen on: {why}", self.text))
                .hint("write HOST:PORT, like 127.0.0.1:7008, 0.0.0.0:8008 or [::]:8008; port 0 picks a free one")
        };
        let Some((_, port)) = self.text.rsplit_once(':') else {
            return Err(wrong("it has no port").into());
        };
        if port.parse::<u16>().is_err() {
            return Err(wrong("its port is no number up to 65535").into());
        }
        let found = tokio::net::lookup_host(&self.text).await;
        found
            .ok()
            .and_then(|mut all| all.next())
            .ok_or_else(|| wrong("this host is not known").into())
    }

    /// The address itself, or with port 0 when it is taken and another one does
    /// as well.
    pub(super) async fn free(&self, out: &Out) -> Result<SocketAddr, Failure> {
        let address = self.resolve().await?;
        if !self.or_free {
            return Ok(address);
        }
        // Looked at before the node opens, which is too much work to do twice.
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                self.moved(out, address);
                Ok(SocketAddr::new(address.ip(), 0))
            }
            _ => Ok(address),
        }
    }

    /// Listens there.
    pub(super) async fn bind(&self, out: &Out) -> Result<TcpListener, Failure> {
        let address = self.resolve().await?;
        let bound = match TcpListener::bind(address).await {
            Err(error) if self.or_free && error.kind() == io::ErrorKind::AddrInUse => {
                self.moved(out, address);
                TcpListener::bind(SocketAddr::new(address.ip(), 0)).await
            }
            other => other,
        };
        bound.map_err(|e| port_error(&address.to_string(), &e, self.option).into())
    }

    fn moved(&self, out: &Out, address: SocketAddr) {
        out.note(&format!(
            "Port {} is taken by another program, so another one is used.",
            address.port()
        ));
    }
}
