//! The secret handshake and the box stream: the only file that names kuska.
//!
//! Sans-io types of `kuska-handshake` do the cryptography; the time limits, the
//! body-size rule (1..=4096, protocol guide "Box stream") and the buffering are
//! ours, because its stream readers panic on longer bodies.

use kuska_handshake::sodiumoxide::crypto::{auth, sign::ed25519};
use kuska_handshake::{BoxStreamRecv, BoxStreamSend, Decrypted, Handshake, KeyNonce};
use std::io;
use std::sync::Once;
use std::time::Duration;
use studytime_schema::{FeedId, Keypair, NetworkKey, VerifyingKey};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Largest body of one box (protocol guide, "Box stream").
const MAX_BODY: usize = 4096;
/// Encrypted header: 16 bytes of tag, 18 of header.
const HEADER: usize = 34;

/// Why no secure connection came about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum HandshakeError {
    /// The peer did not answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The socket failed or was closed in the middle; `phase` counts the
    /// handshake's four messages.
    #[error("{}", hung_up(*phase))]
    HungUp {
        /// Which of the four messages was awaited or sent.
        phase: u8,
        /// What the socket said.
        #[source]
        source: io::Error,
    },
    /// The hello does not fit our network key: another network, or no SSB peer.
    #[error("refused: wrong network key (the peer belongs to another network, or is no SSB peer)")]
    WrongNetwork,
    /// The peer does not hold the key it was dialled by, or sent nonsense.
    #[error(
        "not the expected identity: another key answers at this address than the one it names; ask for the present address"
    )]
    WrongIdentity,
    /// The key in the address is not a usable public key.
    #[error("the key in the address is not a valid public key")]
    BadKey,
    /// We do not talk to this peer.
    #[error("refused: you block {0}, or it is a stranger and strangers are not let in")]
    Denied(FeedId),
}

fn hung_up(phase: u8) -> String {
    let likely = match phase {
        // A server with another key says nothing and closes after message 1.
        2 => {
            "refused: wrong network key, most likely (both sides need the same), or it lets nobody in now"
        }
        4 => {
            "refused: not the expected identity (its key is not the one in the address), or it blocks this node"
        }
        _ => return format!("the other side hung up in phase {phase} of the handshake"),
    };
    format!("{likely}: it hung up in phase {phase} of the handshake")
}

/// What a finished handshake yields.
pub(crate) struct Secure {
    /// Who is at the other end, proven.
    pub(crate) peer: FeedId,
    /// Encrypts what we send.
    pub(crate) seal: Sealer,
    /// Decrypts what we receive.
    pub(crate) open: Opener,
}

fn init() {
    // Without it libsodium runs its slow generic code.
    static INIT: Once = Once::new();
    INIT.call_once(|| {
        let _ = kuska_handshake::sodiumoxide::init();
    });
}

fn sodium_keys(keys: &Keypair) -> Option<(ed25519::PublicKey, ed25519::SecretKey)> {
    Some((
        ed25519::PublicKey::from_slice(keys.id().as_bytes())?,
        ed25519::SecretKey::from_slice(&keys.secret_bytes())?,
    ))
}

/// Dials: proves ourselves to `server` and checks that it is `server`.
///
/// # Errors
/// [`HandshakeError`]; the stream is then of no further use.
pub(crate) async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    keys: &Keypair,
    network: &NetworkKey,
    server: FeedId,
    limit: Duration,
) -> Result<Secure, HandshakeError> {
    init();
    // libsodium would panic on a key that is no curve point.
    VerifyingKey::new(server).map_err(|_| HandshakeError::BadKey)?;
    let (pk, sk) = sodium_keys(keys).ok_or(HandshakeError::BadKey)?;
    let server_pk =
        ed25519::PublicKey::from_slice(server.as_bytes()).ok_or(HandshakeError::BadKey)?;
    let net = auth::Key(*network.as_bytes());
    let work = async {
        let state = Handshake::new_client(net, pk, sk);
        let mut hello = [0u8; 64];
        let state = state.send_client_hello(&mut hello);
        send(stream, &hello, 1).await?;
        let mut hello = [0u8; 64];
        recv(stream, &mut hello, 2).await?;
        let state = state
            .recv_server_hello(&hello)
            .map_err(|_| HandshakeError::WrongNetwork)?;
        let mut proof = [0u8; 112];
        let state = state
            .send_client_auth(&mut proof, server_pk)
            .map_err(|_| HandshakeError::WrongIdentity)?;
        send(stream, &proof, 3).await?;
        let mut accept = [0u8; 80];
        recv(stream, &mut accept, 4).await?;
        let state = state
            .recv_server_accept(&mut accept)
            .map_err(|_| HandshakeError::WrongIdentity)?;
        let (send, recv) = KeyNonce::from_handshake(state.complete());
        Ok(Secure {
            peer: server,
            seal: Sealer::new(send),
            open: Opener::new(recv),
        })
    };
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| HandshakeError::Timeout(limit))?
}

/// Answers a dialler. `allow` is asked after the peer has proven itself and
/// before we prove ourselves, as the protocol guide has it.
///
/// # Errors
/// [`HandshakeError`]; the stream is then of no further use.
pub(crate) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    keys: &Keypair,
    network: &NetworkKey,
    allow: impl Fn(&FeedId) -> bool,
    limit: Duration,
) -> Result<Secure, HandshakeError> {
    init();
    let (pk, sk) = sodium_keys(keys).ok_or(HandshakeError::BadKey)?;
    let net = auth::Key(*network.as_bytes());
    let work = async {
        let state = Handshake::new_server(net, pk, sk);
        let mut hello = [0u8; 64];
        recv(stream, &mut hello, 1).await?;
        let state = state
            .recv_client_hello(&hello)
            .map_err(|_| HandshakeError::WrongNetwork)?;
        let mut hello = [0u8; 64];
        let state = state.send_server_hello(&mut hello);
        send(stream, &hello, 2).await?;
        let mut proof = [0u8; 112];
        recv(stream, &mut proof, 3).await?;
        let state = state
            .recv_client_auth(&mut proof)
            .map_err(|_| HandshakeError::WrongIdentity)?;
        let mut accept = [0u8; 80];
        let state = state.send_server_accept(&mut accept);
        let peer = FeedId::from_bytes(state.state.peer_pk.0);
        if !allow(&peer) {
            return Err(HandshakeError::Denied(peer));
        }
        send(stream, &accept, 4).await?;
        let (send, recv) = KeyNonce::from_handshake(state.complete());
        Ok(Secure {
            peer,
            seal: Sealer::new(send),
            open: Opener::new(recv),
        })
    };
    tokio::time::timeout(limit, work)
        .await
        .map_err(|_| HandshakeError::Timeout(limit))?
}

async fn send<S: AsyncWrite + Unpin>(
    s: &mut S,
    bytes: &[u8],
    phase: u8,
) -> Result<(), HandshakeError> {
    let sent = async {
        s.write_all(bytes).await?;
        s.flush().await
    };
    sent.await
        .map_err(|source| HandshakeError::HungUp { phase, source })
}

async fn recv<S: AsyncRead + Unpin>(
    s: &mut S,
    bytes: &mut [u8],
    phase: u8,
) -> Result<(), HandshakeError> {
    s.read_exact(bytes)
        .await
        .map(drop)
        .map_err(|source| HandshakeError::HungUp { phase, source })
}

/// Why an incoming box stream cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum BoxError {
    /// A box did not decrypt.
    #[error("the encrypted stream is damaged")]
    Damaged,
    /// A box is longer than the protocol allows, or empty.
    #[error("a box of {0} bytes (1 to 4096 are allowed)")]
    Length(usize),
}

/// Encrypts plain bytes into boxes.
pub(crate) struct Sealer {
    inner: BoxStreamSend,
}

impl Sealer {
    fn new(key: KeyNonce) -> Self {
        Self {
            inner: BoxStreamSend::new(key),
        }
    }

    /// Appends `plain`, boxed in bodies of at most 4096 bytes, to `out`.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        out.reserve(plain.len() + (plain.len() / MAX_BODY + 1) * HEADER);
        for body in plain.chunks(MAX_BODY) {
            let start = out.len();
            out.resize(start + HEADER + body.len(), 0);
            // Fails only after our goodbye; then nothing may follow.
            match self.inner.encrypt(body, &mut out[start..]) {
                Ok((_, written)) => out.truncate(start + written),
                Err(_) => out.truncate(start),
            }
        }
    }

    /// Appends the goodbye, once.
    pub(crate) fn goodbye(&mut self, out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + HEADER, 0);
        match self.inner.encrypt_goodbye(&mut out[start..]) {
            Ok(written) => out.truncate(start + written),
            Err(_) => out.truncate(start),
        }
    }
}

/// Decrypts boxes into plain bytes.
pub(crate) struct Opener {
    inner: BoxStreamRecv,
    in_body: bool,
    done: bool,
}

impl Opener {
    fn new(key: KeyNonce) -> Self {
        Self {
            inner: BoxStreamRecv::new(key),
            in_body: false,
            done: false,
        }
    }

    /// Whether the peer has said goodbye.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Opens every whole box in `input`, appends their bodies to `plain` and
    /// answers how many bytes of `input` are used up.
    pub(crate) fn open(&mut self, input: &[u8], plain: &mut Vec<u8>) -> Result<usize, BoxError> {
        let mut used = 0;
        while !self.done {
            let need = self.inner.recv_bytes();
            if self.in_body && (need == 0 || need > MAX_BODY) {
                return Err(BoxError::Length(need));
            }
            let Some(bytes) = input.get(used..used + need) else {
                break;
            };
            let start = plain.len();
            plain.resize(start + need, 0);
            match self.inner.decrypt(bytes, &mut plain[start..]) {
                Ok(Decrypted::Goodbye) => {
                    plain.truncate(start);
                    self.done = true;
                }
                Ok(Decrypted::Some((_, written))) => {
                    plain.truncate(start + written);
                    self.in_body = !self.in_body;
                }
                Err(_) => {
                    plain.truncate(start);
                    return Err(BoxError::Damaged);
                }
            }
            used += need;
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn keys(n: u8) -> Keypair {
        Keypair::from_seed(&[n; 32])
    }

    async fn pair(
        client_net: NetworkKey,
        dialled: FeedId,
        allow: bool,
    ) -> (
        Result<Secure, HandshakeError>,
        Result<Secure, HandshakeError>,
    ) {
        let (mut a, mut b) = tokio::io::duplex(4096);
        let client = async move { dial(&mut a, &keys(1), &client_net, dialled, LIMIT).await };
        let server =
            async move { accept(&mut b, &keys(2), &NetworkKey::MAIN, |_| allow, LIMIT).await };
        tokio::join!(client, server)
    }

    #[tokio::test]
    async fn both_ends_know_each_other_and_talk() {
        let (client, server) = pair(NetworkKey::MAIN, keys(2).id(), true).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        assert_eq!(client.peer, keys(2).id());
        assert_eq!(server.peer, keys(1).id());

        let sent: Vec<u8> = (0..20_000u32).map(|i| i as u8).collect();
        let mut wire = Vec::new();
        client.seal.seal(&sent, &mut wire);
        client.seal.goodbye(&mut wire);
        // Arrives in odd pieces.
        let (mut plain, mut pending) = (Vec::new(), Vec::new());
        for piece in wire.chunks(777) {
            pending.extend_from_slice(piece);
            let used = server.open.open(&pending, &mut plain).unwrap();
            pending.drain(..used);
        }
        assert_eq!(plain, sent);
        assert!(server.open.is_done() && pending.is_empty());
    }

    #[tokio::test]
    async fn refusals_are_told_apart() {
        let other = NetworkKey::from_bytes([9; 32]);
        let (client, server) = pair(other, keys(2).id(), true).await;
        assert!(matches!(server, Err(HandshakeError::WrongNetwork)));
        assert!(matches!(
            client,
            Err(HandshakeError::HungUp { phase: 2, .. })
        ));

        let (client, server) = pair(NetworkKey::MAIN, keys(3).id(), true).await;
        assert!(matches!(server, Err(HandshakeError::WrongIdentity)));
        assert!(matches!(
            client,
            Err(HandshakeError::HungUp { phase: 4, .. })
        ));

        let (client, server) = pair(NetworkKey::MAIN, keys(2).id(), false).await;
        assert!(matches!(server, Err(HandshakeError::Denied(_))));
        assert!(client.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_does_not_hold_us() {
        let (mut a, _b) = tokio::io::duplex(4096);
        let r = dial(&mut a, &keys(1), &NetworkKey::MAIN, keys(2).id(), LIMIT).await;
        assert!(matches!(r, Err(HandshakeError::Timeout(_))));
    }

    #[tokio::test]
    async fn a_long_or_damaged_box_is_refused() {
        let (client, server) = pair(NetworkKey::MAIN, keys(2).id(), true).await;
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let mut wire = Vec::new();
        client.seal.seal(b"hello", &mut wire);
        let last = wire.len() - 1;
        wire[last] ^= 1;
        let mut plain = Vec::new();
        assert!(matches!(
            server.open.open(&wire, &mut plain),
            Err(BoxError::Damaged)
        ));
        assert!(plain.is_empty());
    }
}
