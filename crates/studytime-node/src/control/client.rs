//! The other end: one connection a request, so that nothing runs in between.

use super::wire::Wire;
use super::{Hello, Item, TokenFile, socket_path, token_path, uses_socket};
use crate::api::{API_VERSION, ApiError, ErrorKind, Event as NodeEvent, Progress, Reply, Request};
use crate::event::Events;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use studytime_muxrpc::{CallKind, End, Event, NO_ARGS, StreamId};
use tokio::sync::mpsc;

/// How long a running node may take to say hello.
const HELLO: Duration = Duration::from_secs(5);

/// Reaches the node that runs on a data directory.
#[derive(Debug, Clone)]
pub struct Client {
    dir: PathBuf,
}

fn gone(source: &io::Error) -> ApiError {
    ApiError::new(
        ErrorKind::Failed,
        format!("the running node cannot be reached: {source}"),
    )
    .hint("it may be starting or closing; try again")
}

impl Client {
    /// A client of the node that runs on `dir`; `None` when none answers there.
    ///
    /// # Errors
    /// [`ApiError`] when a node runs there that speaks another version.
    pub async fn connect(dir: &Path) -> Result<Option<Self>, ApiError> {
        let dir = std::fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
        let client = Self { dir };
        match client.open().await {
            Ok(_) => Ok(Some(client)),
            Err(Open::Nobody) => Ok(None),
            Err(Open::Refused(error)) => Err(error),
        }
    }

    async fn open(&self) -> Result<Wire, Open> {
        let mut token = None;
        let wire = self.dial(&mut token).await.map_err(|_| Open::Nobody)?;
        let hello = Hello {
            api: API_VERSION,
            token,
        };
        match tokio::time::timeout(HELLO, greet(wire, &hello)).await {
            Ok(greeted) => greeted,
            Err(_) => Err(Open::Refused(ApiError::new(
                ErrorKind::Failed,
                "the running node does not answer; it may be very busy, or stopped",
            ))),
        }
    }

    async fn dial(&self, token: &mut Option<String>) -> io::Result<Wire> {
        #[cfg(unix)]
        if uses_socket(&self.dir) {
            return Ok(Wire::new(
                tokio::net::UnixStream::connect(socket_path(&self.dir)).await?,
            ));
        }
        let file: TokenFile =
            serde_json::from_str(&std::fs::read_to_string(token_path(&self.dir))?)?;
        *token = Some(file.token);
        Ok(Wire::new(
            tokio::net::TcpStream::connect(("127.0.0.1", file.port)).await?,
        ))
    }

    async fn open_for(&self) -> Result<Wire, ApiError> {
        self.open().await.map_err(|e| match e {
            Open::Nobody => gone(&io::ErrorKind::NotConnected.into()),
            Open::Refused(error) => error,
        })
    }

    pub(crate) async fn request(
        &self,
        request: Request,
        mut on_progress: impl FnMut(Progress) + Send,
    ) -> Result<Reply, ApiError> {
        let mut wire = self.open_for().await?;
        let id = wire
            .mux
            .call(CallKind::Source, &["studytime", "request"], &[request])
            .map_err(|e| ApiError::failed("the request could not be sent", &e))?;
        loop {
            match next(&mut wire, id).await? {
                Some(bytes) => match serde_json::from_slice::<Item>(&bytes) {
                    Ok(Item::Progress(progress)) => on_progress(progress),
                    Ok(Item::Reply(reply)) => return Ok(*reply),
                    Ok(Item::Error(error)) => return Err(error),
                    Err(error) => {
                        return Err(ApiError::failed("the node's answer cannot be read", &error));
                    }
                },
                None => {
                    return Err(ApiError::new(
                        ErrorKind::Failed,
                        "the running node closed before it answered",
                    ));
                }
            }
        }
    }

    pub(crate) async fn events(&self) -> Result<Events, ApiError> {
        let mut wire = self.open_for().await?;
        let id = wire
            .mux
            .call(CallKind::Source, &["studytime", "events"], &NO_ARGS)
            .map_err(|e| ApiError::failed("the request could not be sent", &e))?;
        let (tx, rx) = mpsc::channel(64);
        tokio::spawn(async move {
            while let Ok(Some(bytes)) = next(&mut wire, id).await {
                let Ok(event) = serde_json::from_slice::<NodeEvent>(&bytes) else {
                    continue;
                };
                if tx.send(event).await.is_err() {
                    return;
                }
            }
        });
        Ok(Events::from_channel(rx))
    }
}

enum Open {
    /// No node runs there.
    Nobody,
    /// One does, but it will not talk to us.
    Refused(ApiError),
}

async fn greet(mut wire: Wire, hello: &Hello) -> Result<Wire, Open> {
    let id = wire
        .mux
        .call(CallKind::Async, &["studytime", "hello"], &[hello])
        .map_err(|_| Open::Nobody)?;
    loop {
        match wire.next().await {
            Ok(Some(Event::Reply { id: of, .. })) if of == id => return Ok(wire),
            Ok(Some(Event::Ended { id: of, end })) if of == id => {
                return Err(Open::Refused(match end {
                    End::Error(error) => ApiError::refused(error.message()),
                    _ => gone(&io::ErrorKind::ConnectionAborted.into()),
                }));
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Err(Open::Nobody),
        }
    }
}

/// The next body of a stream; `None` at its end.
async fn next(wire: &mut Wire, id: StreamId) -> Result<Option<bytes::Bytes>, ApiError> {
    loop {
        match wire.next().await.map_err(|e| gone(&e))? {
            Some(Event::Data { id: of, body }) if of == id => return Ok(Some(body.into_bytes())),
            Some(Event::Ended { id: of, end }) if of == id => {
                return match end {
                    End::Done => Ok(None),
                    End::Error(error) => Err(ApiError::refused(error.message())),
                    End::ConnectionClosed => Err(gone(&io::ErrorKind::ConnectionAborted.into())),
                };
            }
            Some(_) => {}
            None => return Err(gone(&io::ErrorKind::ConnectionAborted.into())),
        }
    }
}
