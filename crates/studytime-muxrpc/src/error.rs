use crate::body::{Body, BodyType};

/// Longest error text kept from a peer or sent to one, in bytes.
pub(crate) const MAX_ERROR_TEXT: usize = 1024;
/// Error bodies above this are not parsed but taken as text.
const MAX_PARSED_ERROR: usize = 64 << 10;

/// An error a peer answered with.
///
/// Peers write errors as `{"name":…,"message":…,"stack":…}`, as a JSON string or as plain text,
/// under any body type; all of these are read. Of the text at most 1 KiB is kept, and the stack,
/// which tells nothing but the peer's file names, is dropped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the peer answered with an error: {message}")]
pub struct RemoteError {
    name: String,
    message: String,
}

impl RemoteError {
    /// An error with this text and the name `Error`.
    pub fn new(message: impl Into<String>) -> Self {
        let mut message = message.into();
        shorten(&mut message);
        Self {
            name: "Error".into(),
            message,
        }
    }

    /// Reads the body of an error packet; anything at all gives some error.
    pub fn from_body(body: &Body) -> Self {
        let bytes = body.as_bytes();
        let text =
            || String::from_utf8_lossy(bytes.get(..MAX_ERROR_TEXT).unwrap_or(bytes)).into_owned();
        if bytes.len() > MAX_PARSED_ERROR {
            return Self::new(text());
        }
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(bytes) else {
            return Self::new(text());
        };
        if let Some(message) = value.as_str() {
            return Self::new(message);
        }
        let Some(message) = value.get("message").and_then(|message| message.as_str()) else {
            return Self::new(text());
        };
        let mut error = Self::new(message);
        if let Some(name) = value.get("name").and_then(|name| name.as_str()) {
            error.name = name.to_owned();
            shorten(&mut error.name);
        }
        error
    }

    /// The kind of error as the peer named it, `Error` when it did not.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the peer said.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether the peer said that it has no such method, or none that may be called: then another
    /// way, or none, is to be taken. Knows the texts of the JavaScript stack (`method:a,b is not in
    /// list of allowed methods`, and `no async:a,b` where the method has another type) and of
    /// go-ssb (`muxrpc: no such command: a.b`).
    pub fn is_unsupported(&self) -> bool {
        let message = self
            .message
            .strip_prefix("Error: ")
            .unwrap_or(&self.message);
        message.contains("is not in list of allowed methods")
            || message.contains("no such command")
            || message.strip_prefix("no ").is_some_and(|rest| {
                ["async:", "sync:", "source:", "sink:", "duplex:"]
                    .iter()
                    .any(|kind| rest.starts_with(kind))
            })
    }
}

/// How a stream, or a call that got no reply, came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The peer ended it in good order.
    Done,
    /// The peer ended it with an error.
    Error(RemoteError),
    /// The connection ended first: a goodbye, or [`handle_close`](crate::Mux::handle_close).
    ConnectionClosed,
}

/// Why the connection has to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MuxError {
    /// The two type bits of a packet have the value that means nothing.
    #[error(
        "the peer does not speak muxrpc: a packet with flags {flags:#04x} has no known body type"
    )]
    UnknownBodyType {
        /// The flags byte.
        flags: u8,
    },
    /// A packet announced a body above the limit. Nothing of it was kept.
    #[error(
        "the peer announced a {body_type:?} body of {len} bytes, and {max} is the most taken here"
    )]
    BodyTooLarge {
        /// The announced length in bytes.
        len: u32,
        /// The limit in bytes.
        max: usize,
        /// The announced type.
        body_type: BodyType,
    },
    /// The peer goes on calling although its calls are refused, and does not read the refusals.
    #[error("the peer keeps calling without reading the answers")]
    AnswersUnread,
}

/// Why a call could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The arguments could not be written as JSON.
    #[error("the arguments of the call cannot be written as JSON")]
    Encode(#[source] serde_json::Error),
    /// The arguments are not a JSON array; peers refuse anything else.
    #[error("the arguments of a call must be a list")]
    ArgsNotArray,
    /// The call is longer than [`Limits::json_body`](crate::Limits::json_body).
    #[error("the call has {len} bytes, and {max} is the most that is sent")]
    TooLarge {
        /// Length of the call in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// [`Limits::own_streams`](crate::Limits::own_streams) calls are open: wait until one has
    /// ended.
    #[error("{max} calls are open to this peer already: wait until one has ended")]
    TooManyOpen {
        /// The limit.
        max: usize,
    },
    /// All 2,147,483,647 request numbers of this connection are used up: reconnect.
    #[error("all request numbers of this connection are used up: reconnect")]
    NumbersUsedUp,
    /// The connection is closing or closed.
    #[error("the connection is closing")]
    Closing,
}

/// Why a body could not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The stream is not open (any more), or this side has ended it, or the peer does not want
    /// more.
    #[error("the stream has ended")]
    Ended,
    /// Too much is queued. An [`Event::Writable`](crate::Event::Writable) says when to try again.
    #[error("too much is waiting to be sent: wait until the stream is writable")]
    Full,
    /// This side does not send on such a stream: `send` is for served sources, called sinks and
    /// duplex streams, `reply` for served async calls.
    #[error("this side of the call cannot send that")]
    WrongKind,
    /// A body without bytes. Peers would take it for a goodbye, so it is never sent.
    #[error("an empty body cannot be sent")]
    Empty,
    /// The body is longer than its limit in [`Limits`](crate::Limits).
    #[error("the body is longer than is sent in one packet")]
    TooLarge,
}

/// The one form of error every known peer can read: three strings, and no character in them that
/// JSON has to escape (one implementation fails on escapes). The message is changed and cut to make
/// that so.
pub(crate) fn error_body(message: &str) -> String {
    let mut text: String = message
        .chars()
        .map(|c| match c {
            '"' => '\'',
            '\\' => '/',
            c if c < ' ' => ' ',
            c => c,
        })
        .collect();
    shorten(&mut text);
    format!(r#"{{"name":"Error","message":"{text}","stack":""}}"#)
}

fn shorten(text: &mut String) {
    text.truncate(text.floor_char_boundary(MAX_ERROR_TEXT));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(body: Body) -> String {
        RemoteError::from_body(&body).message
    }

    #[test]
    fn reads_every_known_form() {
        let js =
            br#"{"message":"no \"such\" blob","name":"TypeError","stack":"at /home"}"#.as_slice();
        let error = RemoteError::from_body(&Body::raw_json(js));
        assert_eq!(
            (error.name(), error.message()),
            ("TypeError", "no \"such\" blob")
        );
        assert_eq!(message(Body::Text(js.into())), "no \"such\" blob");
        assert_eq!(message(Body::binary(js)), "no \"such\" blob");
        assert_eq!(message(Body::raw_json("\"gone\"")), "gone");
        assert_eq!(message(Body::text("plain words")), "plain words");
        assert_eq!(
            message(Body::raw_json("{\"message\":7}")),
            "{\"message\":7}"
        );
        assert_eq!(message(Body::raw_json("[1]")), "[1]");
        assert_eq!(message(Body::binary(vec![0xff, b'a'])), "\u{fffd}a");
    }

    #[test]
    fn long_texts_are_cut() {
        let long = "é".repeat(200_000);
        assert!(message(Body::text(long.clone())).len() <= MAX_ERROR_TEXT + 3);
        assert!(message(Body::json(&long).unwrap()).len() <= MAX_ERROR_TEXT + 3);
        let nested = Body::raw_json("[".repeat(60_000));
        assert_eq!(message(nested).len(), MAX_ERROR_TEXT);
        assert!(error_body(&long).len() <= MAX_ERROR_TEXT + 40);
    }

    #[test]
    fn known_texts_for_a_missing_method() {
        for text in [
            "method:ebt,replicate is not in list of allowed methods",
            "muxrpc: no such command: room.metadata",
            "no async:ebt,replicate",
            "no duplex:a,b",
            "Error: no source:a,b",
        ] {
            assert!(RemoteError::new(text).is_unsupported(), "{text}");
        }
        for text in [
            "no",
            "no asynchronous luck",
            "not found",
            "could not connect to:@x",
            "",
        ] {
            assert!(!RemoteError::new(text).is_unsupported(), "{text}");
        }
    }

    #[test]
    fn sent_errors_need_no_escapes() {
        let body = error_body("bad \"path\" C:\\x\n\u{1f}\u{e9}\u{2028}");
        assert_eq!(
            body,
            "{\"name\":\"Error\",\"message\":\"bad 'path' C:/x  \u{e9}\u{2028}\",\"stack\":\"\"}"
        );
        assert!(!body.contains('\\'));
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(value["stack"], "");
    }
}
