//! Whole verdicts: on one message, and on a stream of them, one a line.
//!
//! [`judge`] says of one text what any peer would say of it that has the feed
//! up to a given tip. [`LineChecker`] does so for every line of a stream of any
//! length, in memory that does not grow with it: it is what
//! `studytime feed check` runs.
//!
//! ```
//! use studytime_schema::{Keypair, Message, check::LineChecker};
//!
//! let keys = Keypair::from_seed(&[1; 32]);
//! let content = serde_json::json!({ "type": "post", "text": "hello" });
//! let message = Message::sign(&keys, None, 1_700_000_000_000, &content, None)?;
//!
//! let mut kinds = Vec::new();
//! let mut note = |_line: u64, verdict: Result<Message, studytime_schema::check::Refusal>| {
//!     kinds.push(verdict.map_or_else(|refusal| refusal.kind(), |_| "valid"));
//!     Ok::<(), std::convert::Infallible>(())
//! };
//! let mut checker = LineChecker::new(None, None);
//! checker.push(message.wire().as_bytes(), &mut note)?;
//! checker.push(b"\nnonsense", &mut note)?;
//! checker.finish(&mut note)?;
//! assert_eq!(kinds, ["valid", "not_json"]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{ChainError, HmacKey, MAX_WIRE_BYTES, Message, MessageId, Tip, VerifyError, chain};

/// Why a message is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// It is no message, or not its author's.
    #[error(transparent)]
    Invalid(#[from] VerifyError),
    /// A sound message with this id, but not the next one of its feed.
    #[error("{1}")]
    Misplaced(MessageId, Box<ChainError>),
}

impl Refusal {
    /// A word for programs that stays the same from version to version: that of
    /// [`VerifyError::kind`] or [`ChainError::kind`].
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Invalid(error) => error.kind(),
            Self::Misplaced(_, error) => error.kind(),
        }
    }

    /// The id, if it is a sound message.
    pub fn id(&self) -> Option<MessageId> {
        match self {
            Self::Invalid(_) => None,
            Self::Misplaced(id, _) => Some(*id),
        }
    }
}

/// Verifies a message and checks that it is the next one after `tip`, the last
/// one of its feed (`None`: that it is the first one).
///
/// Verdict and id are those of ssb-validate 4, the validator that most of the
/// network runs.
///
/// # Errors
/// [`Refusal`]: any peer in the same situation refuses it.
pub fn judge(wire: &[u8], hmac: Option<&HmacKey>, tip: Option<&Tip>) -> Result<Message, Refusal> {
    let message = Message::verify(wire, hmac)?;
    match chain::check(tip, &message) {
        Ok(()) => Ok(message),
        Err(error) => Err(Refusal::Misplaced(message.id(), Box::new(error))),
    }
}

/// Judges a stream with one message a line, each line for itself.
///
/// Bytes go in by [`push`](Self::push) in pieces of any size. A line longer
/// than [`MAX_WIRE_BYTES`] is refused without being kept, so the checker never
/// holds more than that, whatever comes.
#[derive(Debug)]
pub struct LineChecker {
    hmac: Option<HmacKey>,
    tip: Option<Tip>,
    /// The beginning of a line whose end has not come yet.
    kept: Vec<u8>,
    /// How long that line is so far; more than `kept` when it is too long.
    length: usize,
    lines: u64,
}

impl LineChecker {
    /// Every line is judged against the same `tip`.
    pub fn new(hmac: Option<HmacKey>, tip: Option<Tip>) -> Self {
        Self {
            hmac,
            tip,
            kept: Vec::new(),
            length: 0,
            lines: 0,
        }
    }

    /// Takes the next bytes, and gives `each` the number (from 1) and the
    /// verdict of every line that ends in them.
    ///
    /// # Errors
    /// What `each` returns; the rest of these bytes is lost then.
    pub fn push<E>(
        &mut self,
        bytes: &[u8],
        mut each: impl FnMut(u64, Result<Message, Refusal>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut pieces = bytes.split(|b| *b == b'\n');
        let mut piece = pieces.next().unwrap_or_default();
        for next in pieces {
            self.end_line(piece, &mut each)?;
            piece = next;
        }
        self.keep(piece);
        Ok(())
    }

    /// Ends the stream: a last line without a line end is judged, too.
    ///
    /// # Errors
    /// What `each` returns.
    pub fn finish<E>(
        mut self,
        mut each: impl FnMut(u64, Result<Message, Refusal>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.length {
            0 => Ok(()),
            _ => self.end_line(&[], &mut each),
        }
    }

    fn keep(&mut self, piece: &[u8]) {
        self.length = self.length.saturating_add(piece.len());
        if self.length <= MAX_WIRE_BYTES {
            self.kept.extend_from_slice(piece);
        } else {
            self.kept.clear();
        }
    }

    fn end_line<E>(
        &mut self,
        piece: &[u8],
        each: &mut impl FnMut(u64, Result<Message, Refusal>) -> Result<(), E>,
    ) -> Result<(), E> {
        self.lines += 1;
        let (hmac, tip) = (self.hmac, self.tip);
        let verdict = if self.length == 0 {
            judge(piece, hmac.as_ref(), tip.as_ref())
        } else {
            self.keep(piece);
            match self.length {
                ..=MAX_WIRE_BYTES => judge(&self.kept, hmac.as_ref(), tip.as_ref()),
                bytes => Err(VerifyError::TooManyBytes { bytes }.into()),
            }
        };
        self.kept.clear();
        self.length = 0;
        each(self.lines, verdict)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Keypair;
    use std::convert::Infallible;

    fn message() -> Message {
        let content = serde_json::json!({ "type": "test" });
        Message::sign(&Keypair::from_seed(&[7; 32]), None, 1, &content, None).unwrap()
    }

    /// Number and verdict of every line, when the text comes in pieces of this size.
    fn check(text: &[u8], piece: usize) -> Vec<(u64, &'static str)> {
        let mut seen = Vec::new();
        let mut note = |line, verdict: Result<Message, Refusal>| {
            seen.push((line, verdict.map_or_else(|r| r.kind(), |_| "valid")));
            Ok::<(), Infallible>(())
        };
        let mut checker = LineChecker::new(None, None);
        for piece in text.chunks(piece) {
            let Ok(()) = checker.push(piece, &mut note);
            assert!(checker.kept.capacity() <= 2 * MAX_WIRE_BYTES);
        }
        let Ok(()) = checker.finish(&mut note);
        seen
    }

    #[test]
    fn lines_are_cut_alike_however_they_come() {
        let message = message();
        let mut text = format!("{}\r\n\n[\n", message.wire()).into_bytes();
        text.extend_from_slice(&vec![b' '; MAX_WIRE_BYTES]);
        text.push(b'\n');
        text.extend_from_slice(&vec![b' '; MAX_WIRE_BYTES + 1]);
        text.push(b'\n');
        text.extend_from_slice(message.wire().as_bytes());
        let expected = [
            (1, "valid"),
            (2, "not_json"),
            (3, "not_json"),
            (4, "not_json"),
            (5, "too_many_bytes"),
            (6, "valid"),
        ];
        for piece in [1, 2, 3, 7, 100, 4096, MAX_WIRE_BYTES, 10 * MAX_WIRE_BYTES] {
            assert_eq!(check(&text, piece), expected, "{piece}");
        }
        text.push(b'\n');
        assert_eq!(check(&text, 64), expected, "the last line end is none");
        assert_eq!(check(b"", 1), []);
        assert_eq!(check(b"\n\n", 1), [(1, "not_json"), (2, "not_json")]);
    }

    /// However long a line is, only its length is kept.
    #[test]
    fn an_endless_line_takes_no_memory() {
        let mut checker = LineChecker::new(None, None);
        let mut never = |_, _| -> Result<(), Infallible> { unreachable!("no line has ended") };
        let piece = vec![b'['; 1 << 20];
        for _ in 0..300 {
            let Ok(()) = checker.push(&piece, &mut never);
            assert!(checker.kept.is_empty(), "nothing of it is of use any more");
        }
        // As small as the beginning of one message.
        assert!(checker.kept.capacity() <= 2 * MAX_WIRE_BYTES);
        let mut seen = None;
        let Ok(()) = checker.finish(|line, verdict| {
            seen = Some((line, verdict.unwrap_err()));
            Ok::<(), Infallible>(())
        });
        let bytes = 300 << 20;
        assert_eq!(seen, Some((1, VerifyError::TooManyBytes { bytes }.into())));
    }

    #[test]
    fn a_misplaced_message_is_named() {
        let message = message();
        let tip = message.tip();
        let refusal = judge(message.wire().as_bytes(), None, Some(&tip)).unwrap_err();
        assert_eq!((refusal.kind(), refusal.id()), ("old", Some(message.id())));
        assert!(refusal.to_string().contains("not new"), "{refusal}");
        assert_eq!(judge(b"", None, None).unwrap_err().id(), None);
    }
}
