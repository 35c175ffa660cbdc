//! One call over a connection of its own: redeeming an invite.

use super::{Address, DialError, dial};
use crate::node::Node;
use crate::shs;
use bytes::Bytes;
use serde_json::Value;
use std::time::Duration;
use studytime_muxrpc::{CallKind, End, Event, Limits, Mux};
use studytime_schema::Keypair;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How long the answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Why a single call got no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum OnceError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the other side answered: {0}")]
    Remote(String),
    #[error("no answer within {} s", ANSWER.as_secs())]
    Timeout,
    #[error("the connection broke before the answer came")]
    Broken,
}

/// Connects with `keys`, makes one async call and leaves.
pub(crate) async fn call(
    node: &Node,
    address: &Address,
    keys: &Keypair,
    name: &[&str],
    args: &Value,
) -> Result<Bytes, OnceError> {
    let builder = &node.inner().builder;
    let mut stream = dial::tcp(address).await?;
    let secure = shs::dial(
        &mut stream,
        keys,
        &builder.network,
        address.key,
        builder.handshake_timeout,
    )
    .await
    .map_err(DialError::from)?;
    let shs::Secure {
        mut seal, mut open, ..
    } = secure;
    let mut mux = Mux::new(
        Limits::default()
            .with_peer_streams(16)
            .with_unpolled(1 << 20),
    );
    let id = mux
        .call(CallKind::Async, name, args)
        .map_err(|_| OnceError::Broken)?;
    let talk = async {
        let (mut incoming, mut plain, mut outgoing) = (Vec::new(), Vec::new(), Vec::new());
        loop {
            while let Some(event) = mux.poll_event() {
                match event {
                    Event::Reply { id: of, body } if of == id => return Ok(body.into_bytes()),
                    Event::Ended {
                        id: of,
                        end: End::Error(error),
                    } if of == id => {
                        return Err(OnceError::Remote(error.message().to_owned()));
                    }
                    Event::Ended { id: of, .. } if of == id => return Err(OnceError::Broken),
                    // Whatever else it asks of us, this is not the connection for it.
                    Event::Call { id, .. } => mux.refuse(id),
                    _ => {}
                }
            }
            plain.clear();
            outgoing.clear();
            while mux.poll_transmit(&mut plain, 64 * 1024) > 0 {}
            if !plain.is_empty() {
                seal.seal(&plain, &mut outgoing);
                stream
                    .write_all(&outgoing)
                    .await
                    .map_err(|_| OnceError::Broken)?;
            }
            if stream
                .read_buf(&mut incoming)
                .await
                .map_err(|_| OnceError::Broken)?
                == 0
                || open.is_done()
            {
                return Err(OnceError::Broken);
            }
            plain.clear();
            let used = open
                .open(&incoming, &mut plain)
                .map_err(|_| OnceError::Broken)?;
            incoming.drain(..used);
            mux.handle_bytes(&plain).map_err(|_| OnceError::Broken)?;
        }
    };
    tokio::time::timeout(ANSWER, talk)
        .await
        .map_err(|_| OnceError::Timeout)?
}
