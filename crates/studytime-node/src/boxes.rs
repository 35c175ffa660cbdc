//! The box stream: plain bytes in boxes of at most 4096 bytes, each a sealed header
//! and a sealed body (protocol guide, "Box stream"). Bytes in and out, no I/O.

use dryoc::classic::crypto_secretbox::{
    crypto_secretbox_detached, crypto_secretbox_easy, crypto_secretbox_open_detached,
    crypto_secretbox_open_easy,
};
use zeroize::Zeroizing;

/// Largest body of one box.
const MAX_BODY: usize = 4096;
const TAG: usize = 16;
/// Two bytes for the length of the body, and the body's tag.
const PLAIN_HEADER: usize = 2 + TAG;
const HEADER: usize = TAG + PLAIN_HEADER;
/// The header that ends a stream.
const GOODBYE: [u8; PLAIN_HEADER] = [0; PLAIN_HEADER];

/// Key and first nonce of one direction.
pub(crate) struct BoxKey {
    key: Zeroizing<[u8; 32]>,
    nonce: [u8; 24],
}

impl BoxKey {
    pub(crate) fn new(key: [u8; 32], nonce: [u8; 24]) -> Self {
        let key = Zeroizing::new(key);
        Self { key, nonce }
    }

    /// The next nonce; they are big-endian numbers that go up by one.
    fn next(&mut self) -> [u8; 24] {
        let next = self.nonce;
        for byte in self.nonce.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        next
    }
}

/// Why an incoming stream cannot go on.
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
    keys: BoxKey,
    done: bool,
}

impl Sealer {
    pub(crate) fn new(keys: BoxKey) -> Self {
        Self { keys, done: false }
    }

    /// Appends `plain`, boxed, to `out`; nothing after the goodbye.
    pub(crate) fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        if self.done {
            return;
        }
        out.reserve(plain.len() + plain.len().div_ceil(MAX_BODY) * HEADER);
        for body in plain.chunks(MAX_BODY) {
            self.seal_one(body, out);
        }
    }

    /// Appends the goodbye, once.
    pub(crate) fn goodbye(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.done, true) {
            let nonce = self.keys.next();
            let start = out.len();
            out.resize(start + HEADER, 0);
            self.seal_header(&GOODBYE, &nonce, &mut out[start..]);
        }
    }

    fn seal_one(&mut self, body: &[u8], out: &mut Vec<u8>) {
        let (first, second) = (self.keys.next(), self.keys.next());
        let start = out.len();
        out.resize(start + HEADER + body.len(), 0);
        let (sealed_header, sealed) = out[start..].split_at_mut(HEADER);
        let mut tag = [0; TAG];
        let done = crypto_secretbox_detached(sealed, &mut tag, body, &second, &self.keys.key);
        debug_assert!(done.is_ok(), "only lengths can be wrong");
        let mut header = GOODBYE;
        // At most 4096.
        header[..2].copy_from_slice(&(body.len() as u16).to_be_bytes());
        header[2..].copy_from_slice(&tag);
        self.seal_header(&header, &first, sealed_header);
    }

    fn seal_header(&self, header: &[u8; PLAIN_HEADER], nonce: &[u8; 24], sealed: &mut [u8]) {
        let done = crypto_secretbox_easy(sealed, header, nonce, &self.keys.key);
        debug_assert!(done.is_ok(), "only lengths can be wrong");
    }
}

/// Decrypts boxes into plain bytes.
pub(crate) struct Opener {
    keys: BoxKey,
    /// Length and tag of the body that comes next.
    body: Option<(usize, [u8; TAG])>,
    done: bool,
}

impl Opener {
    pub(crate) fn new(keys: BoxKey) -> Self {
        Self {
            keys,
            body: None,
            done: false,
        }
    }

    /// Whether the peer has said goodbye.
    pub(crate) fn is_done(&self) -> bool {
        self.done
    }

    /// Opens every whole box in `input`, appends their bodies to `plain` and
    /// answers how many bytes of `input` are used up.
    ///
    /// # Errors
    /// [`BoxError`]; the stream is then of no further use.
    pub(crate) fn open(&mut self, input: &[u8], plain: &mut Vec<u8>) -> Result<usize, BoxError> {
        let mut used = 0;
        while !self.done {
            let need = self.body.map_or(HEADER, |(len, _)| len);
            let Some(sealed) = input.get(used..used + need) else {
                break;
            };
            match self.body.take() {
                None => self.open_header(sealed)?,
                Some((len, tag)) => {
                    let nonce = self.keys.next();
                    let start = plain.len();
                    plain.resize(start + len, 0);
                    let body = &mut plain[start..];
                    crypto_secretbox_open_detached(body, sealed, &tag, &nonce, &self.keys.key)
                        .map_err(|_| {
                            plain.truncate(start);
                            BoxError::Damaged
                        })?;
                }
            }
            used += need;
        }
        Ok(used)
    }

    fn open_header(&mut self, sealed: &[u8]) -> Result<(), BoxError> {
        let nonce = self.keys.next();
        let mut header = GOODBYE;
        crypto_secretbox_open_easy(&mut header, sealed, &nonce, &self.keys.key)
            .map_err(|_| BoxError::Damaged)?;
        if header == GOODBYE {
            self.done = true;
            return Ok(());
        }
        let [high, low, tag @ ..] = header;
        match usize::from(u16::from_be_bytes([high, low])) {
            len @ 1..=MAX_BODY => {
                self.body = Some((len, tag));
                Ok(())
            }
            len => Err(BoxError::Length(len)),
        }
    }
}
