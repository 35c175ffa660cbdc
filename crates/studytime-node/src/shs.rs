//! The secret handshake: the only file that names kuska.
//!
//! Sans-io types of `kuska-handshake` do the cryptography; the time limits are ours,
//! and so is the stream that follows ([`crate::boxes`]): its readers panic on bodies
//! that are too long, and its cipher is three times slower.

use crate::boxes::{BoxKey, Opener, Sealer};
use kuska_handshake::sodiumoxide::crypto::{auth, hash::sha256, sign::ed25519};
use kuska_handshake::{Handshake, HandshakeComplete};
use std::io;
use std::sync::Once;
use std::time::Duration;
use studytime_schema::{FeedId, Keypair, NetworkKey, VerifyingKey};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

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

/// The keys of the stream out of what both sides know now (protocol guide, "Box
/// stream"): one for each direction, named by who receives.
fn secure(peer: FeedId, done: &HandshakeComplete) -> Secure {
    let shared = &done.shared_secret;
    let parts = [&shared.ab, &shared.aB, &shared.Ab].map(AsRef::<[u8]>::as_ref);
    let parts = [done.net_id.as_ref(), &parts.concat()].concat();
    let secret = sha256::hash(sha256::hash(&parts).as_ref());
    let key = |receiver: &ed25519::PublicKey, ephemeral: &[u8]| {
        let key = sha256::hash(&[secret.as_ref(), receiver.as_ref()].concat());
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&auth::authenticate(ephemeral, &done.net_id).as_ref()[..24]);
        BoxKey::new(key.0, nonce)
    };
    Secure {
        peer,
        seal: Sealer::new(key(&done.peer_pk, done.peer_ephemeral_pk.as_ref())),
        open: Opener::new(key(&done.pk, done.ephemeral_pk.as_ref())),
    }
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
        Ok(secure(server, &state.complete()))
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
        Ok(secure(peer, &state.complete()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::BoxError;
    use kuska_handshake::sodiumoxide::crypto::secretbox;
    use kuska_handshake::{BoxStreamRecv, BoxStreamSend, Decrypted, KeyNonce};
    use proptest::prelude::*;

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

    fn theirs(key: [u8; 32], nonce: [u8; 24]) -> KeyNonce {
        init();
        KeyNonce::new(secretbox::Key(key), secretbox::Nonce(nonce))
    }

    proptest! {
        /// libsodium's words, byte for byte, in both directions.
        #[test]
        fn the_stream_is_that_of_kuska(
            key in any::<[u8; 32]>(),
            low in any::<[u8; 8]>(),
            lens in prop::collection::vec(1..10_000usize, 1..6),
            cut in 1..5_000usize,
        ) {
            // Near the end of all nonces, too: they go round.
            let mut nonce = [0xff; 24];
            nonce[16..].copy_from_slice(&low);
            let plain = |len: usize| (0..len).map(|i| (i * 7 + len) as u8).collect::<Vec<u8>>();
            let mut sealer = Sealer::new(BoxKey::new(key, nonce));
            let mut send = BoxStreamSend::new(theirs(key, nonce));
            let (mut ours, mut kuska) = (Vec::new(), Vec::new());
            let mut all: Vec<u8> = Vec::new();
            for len in lens {
                sealer.seal(&plain(len), &mut ours);
                for body in plain(len).chunks(4096) {
                    let mut sealed = vec![0; 34 + body.len()];
                    send.encrypt(body, &mut sealed).unwrap();
                    kuska.extend(sealed);
                }
                all.extend(plain(len));
            }
            sealer.goodbye(&mut ours);
            sealer.goodbye(&mut ours);
            sealer.seal(b"late", &mut ours);
            let mut last = vec![0; 34];
            send.encrypt_goodbye(&mut last).unwrap();
            kuska.extend(last);
            prop_assert_eq!(&ours, &kuska);

            let mut recv = BoxStreamRecv::new(theirs(key, nonce));
            let (mut used, mut opened) = (0, Vec::<u8>::new());
            loop {
                let need = recv.recv_bytes();
                let mut out = vec![0; 5_000];
                let sealed = &ours[used..used + need];
                used += need;
                match recv.decrypt(sealed, &mut out).unwrap() {
                    Decrypted::Goodbye => break,
                    Decrypted::Some((_, n)) => opened.extend(&out[..n]),
                }
            }
            prop_assert!(opened == all && used == ours.len());

            let mut opener = Opener::new(BoxKey::new(key, nonce));
            let (mut pending, mut opened) = (Vec::new(), Vec::new());
            for piece in kuska.chunks(cut) {
                pending.extend_from_slice(piece);
                let used = opener.open(&pending, &mut opened).unwrap();
                pending.drain(..used);
            }
            prop_assert!(opened == all && opener.is_done() && pending.is_empty());
        }

        #[test]
        fn a_box_of_a_wrong_length_is_refused(len in any::<u16>(), tag in any::<[u8; 16]>()) {
            prop_assume!(!(1..=4096).contains(&len) && (len, tag) != (0, [0; 16]));
            let header = [&len.to_be_bytes()[..], &tag].concat();
            let (key, nonce) = (secretbox::Key([1; 32]), secretbox::Nonce([2; 24]));
            init();
            let mut wire = secretbox::seal(&header, &nonce, &key);
            wire.extend(vec![0; 70_000]);
            let mut opener = Opener::new(BoxKey::new([1; 32], [2; 24]));
            let mut plain = Vec::new();
            let refused = opener.open(&wire, &mut plain);
            prop_assert!(matches!(refused, Err(BoxError::Length(n)) if n == usize::from(len)));
            prop_assert!(plain.is_empty());
        }

        #[test]
        fn any_damage_is_seen(at in 0..200usize, bit in 0..8u8) {
            let mut wire = Vec::new();
            Sealer::new(BoxKey::new([1; 32], [2; 24])).seal(&[7; 132], &mut wire);
            let at = at.min(wire.len() - 1);
            wire[at] ^= 1 << bit;
            let mut plain = Vec::new();
            let mut opener = Opener::new(BoxKey::new([1; 32], [2; 24]));
            prop_assert!(matches!(opener.open(&wire, &mut plain), Err(BoxError::Damaged)));
            prop_assert!(plain.is_empty());
        }
    }
}
