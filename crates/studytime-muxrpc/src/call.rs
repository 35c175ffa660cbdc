use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{DeserializeOwned, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::error::CallError;

/// Most parts a method name may have; the longest in use have two.
const MAX_NAME_PARTS: usize = 8;
/// Most bytes one part of a method name may have.
const MAX_NAME_PART: usize = 64;

/// What passes between caller and callee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallKind {
    /// One reply.
    Async,
    /// A stream from the callee to the caller.
    Source,
    /// A stream from the caller to the callee.
    Sink,
    /// A stream both ways.
    Duplex,
}

impl CallKind {
    /// The name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Source => "source",
            Self::Sink => "sink",
            Self::Duplex => "duplex",
        }
    }
}

impl fmt::Display for CallKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A call that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    kind: CallKind,
    name: Vec<String>,
    method: String,
    args: Bytes,
}

impl Call {
    /// What the caller expects to pass.
    pub fn kind(&self) -> CallKind {
        self.kind
    }

    /// The method's name in its parts, such as `["blobs", "get"]`.
    pub fn name(&self) -> &[String] {
        &self.name
    }

    /// The method's name with dots, such as `"blobs.get"`, for use in a `match`. No part has a dot
    /// of its own.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The arguments as they came: the JSON text of an array.
    pub fn args_json(&self) -> &Bytes {
        &self.args
    }

    /// Reads all arguments, `T` being a list or tuple.
    ///
    /// # Errors
    /// The error of `serde_json` when they do not fit `T`.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.args)
    }

    /// Reads the first argument, `None` if there are none. Further arguments are ignored, as other
    /// peers do.
    ///
    /// # Errors
    /// The error of `serde_json` when it does not fit `T`.
    pub fn first_arg<T: DeserializeOwned>(&self) -> Result<Option<T>, serde_json::Error> {
        serde_json::from_slice::<First<T>>(&self.args).map(|first| first.0)
    }

    /// Reads the opening packet of a call. The error is the text to answer with.
    pub(crate) fn parse(body: &Bytes, stream: bool) -> Result<Self, &'static str> {
        let wire: Wire<'_> =
            serde_json::from_slice(body).map_err(|_| "invalid call: it needs a name and args")?;
        if !wire.args.get().starts_with('[') {
            return Err("invalid call: args must be an array");
        }
        // JavaScript callers leave out the type of async calls, and old Rust ones the stream flag
        // of duplex calls.
        let kind = match (wire.kind.as_deref(), stream) {
            (Some("source"), _) => CallKind::Source,
            (Some("sink"), _) => CallKind::Sink,
            (Some("duplex"), _) => CallKind::Duplex,
            (_, false) => CallKind::Async,
            (_, true) => return Err("invalid call: type must be source, sink or duplex"),
        };
        let name = wire.name.0;
        // A slice keeps the whole packet in memory: not worth it when most of the packet is
        // something else.
        let args = wire.args.get().as_bytes();
        let args = if body.len() > 2 * args.len() + 256 {
            Bytes::copy_from_slice(args)
        } else {
            body.slice_ref(args)
        };
        Ok(Self {
            kind,
            method: name.join("."),
            args,
            name,
        })
    }
}

/// The opening packet of a call of ours. `args` is JSON text.
pub(crate) fn encode(kind: CallKind, name: &[&str], args: &RawValue) -> Result<Vec<u8>, CallError> {
    #[derive(Serialize)]
    struct Out<'a> {
        name: &'a [&'a str],
        args: &'a RawValue,
        // Optional for async calls, but one implementation does not see a call without it.
        r#type: &'static str,
    }
    if !args.get().starts_with('[') {
        return Err(CallError::ArgsNotArray);
    }
    serde_json::to_vec(&Out {
        name,
        args,
        r#type: kind.as_str(),
    })
    .map_err(CallError::Encode)
}

#[derive(Deserialize)]
struct Wire<'a> {
    name: Name,
    // Not a list of values: eight million arguments of one byte each must not become eight million
    // allocations.
    #[serde(borrow)]
    args: &'a RawValue,
    #[serde(borrow, default, rename = "type")]
    kind: Option<Cow<'a, str>>,
}

struct Name(Vec<String>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NameVisitor)
    }
}

struct NameVisitor;

impl NameVisitor {
    fn part<E: serde::de::Error>(part: &str) -> Result<String, E> {
        if part.is_empty() || part.len() > MAX_NAME_PART || part.contains('.') {
            return Err(E::custom("bad method name"));
        }
        Ok(part.to_owned())
    }
}

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a method name")
    }

    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Name, E> {
        Ok(Name(vec![Self::part(name)?]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Name, A::Error> {
        let mut name = Vec::new();
        while let Some(part) = parts.next_element::<Cow<'de, str>>()? {
            if name.len() == MAX_NAME_PARTS {
                return Err(serde::de::Error::custom("method name with too many parts"));
            }
            name.push(Self::part(&part)?);
        }
        if name.is_empty() {
            return Err(serde::de::Error::custom("no method name"));
        }
        Ok(Name(name))
    }
}

/// The first element of an array, the others passed over.
struct First<T>(Option<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FirstVisitor<T>(std::marker::PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for FirstVisitor<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of arguments")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut args: A) -> Result<First<T>, A::Error> {
                let first = args.next_element()?;
                while args.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(FirstVisitor(std::marker::PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, stream: bool) -> Result<Call, &'static str> {
        Call::parse(&Bytes::copy_from_slice(text.as_bytes()), stream)
    }

    #[test]
    fn async_calls_with_and_without_type() {
        for text in [
            r#"{"name":["blobs","has"],"args":["&x"]}"#,
            r#"{"name":["blobs","has"],"args":["&x"],"type":"async"}"#,
            r#"{"name":["blobs","has"],"args":["&x"],"type":null}"#,
            r#" {"type":"sync", "args" : ["&x"] ,"name":["blobs","has"],"more":{}}"#,
        ] {
            let call = parse(text, false).unwrap();
            assert_eq!((call.kind(), call.method()), (CallKind::Async, "blobs.has"));
            assert_eq!(call.name(), ["blobs", "has"]);
            assert_eq!(call.args_json(), "[\"&x\"]");
            assert_eq!(call.args::<(String,)>().unwrap().0, "&x");
            assert_eq!(call.first_arg::<String>().unwrap().as_deref(), Some("&x"));
        }
        assert_eq!(
            parse(r#"{"name":"whoami","args":[]}"#, false)
                .unwrap()
                .method(),
            "whoami"
        );
    }

    #[test]
    fn stream_calls_need_a_type() {
        for kind in [CallKind::Source, CallKind::Sink, CallKind::Duplex] {
            let text = format!(r#"{{"name":["a"],"args":[],"type":"{kind}"}}"#);
            assert_eq!(parse(&text, true).unwrap().kind(), kind);
            assert_eq!(
                parse(&text, false).unwrap().kind(),
                kind,
                "an old peer forgets the flag"
            );
        }
        for text in [
            r#"{"name":["a"],"args":[]}"#,
            r#"{"name":["a"],"args":[],"type":"async"}"#,
            r#"{"name":["a"],"args":[],"type":"other"}"#,
        ] {
            assert!(parse(text, true).unwrap_err().contains("type must be"));
        }
    }

    #[test]
    fn malformed_calls() {
        for text in [
            r#"{"name":["a"],"args":{}}"#,
            r#"{"name":["a"],"args":null}"#,
            r#"{"name":["a"],"args":"[]"}"#,
        ] {
            assert!(parse(text, false).unwrap_err().contains("args must be"));
        }
        let long = format!(r#"{{"name":["{}"],"args":[]}}"#, "x".repeat(65));
        let many = format!(r#"{{"name":[{}"a"],"args":[]}}"#, r#""a","#.repeat(8));
        for text in [
            "true",
            "{}",
            "",
            "\u{0}",
            r#"{"name":["a"]}"#,
            r#"{"args":[]}"#,
            r#"{"name":[],"args":[]}"#,
            r#"{"name":[""],"args":[]}"#,
            r#"{"name":["a.b"],"args":[]}"#,
            r#"{"name":[1],"args":[]}"#,
            r#"{"name":null,"args":[]}"#,
            r#"{"name":["a"],"args":[],"type":1}"#,
            &long,
            &many,
        ] {
            assert!(parse(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_and_wide_arguments_cost_nothing_until_they_are_read() {
        let deep = format!(
            r#"{{"name":["a"],"args":{}{}}}"#,
            "[".repeat(500_000),
            "]".repeat(500_000)
        );
        let call = parse(&deep, false).unwrap();
        assert!(call.first_arg::<serde_json::Value>().is_err());
        let wide = format!(r#"{{"name":["a"],"args":[7{}]}}"#, ",1".repeat(500_000));
        assert_eq!(
            parse(&wide, false).unwrap().first_arg::<u8>().unwrap(),
            Some(7)
        );
        assert_eq!(
            parse(r#"{"name":["a"],"args":[]}"#, false)
                .unwrap()
                .first_arg::<u8>()
                .unwrap(),
            None
        );
    }

    #[test]
    fn written_in_the_usual_order() {
        let args = serde_json::value::to_raw_value(&[serde_json::json!({"version": 3})]).unwrap();
        let body = encode(CallKind::Duplex, &["ebt", "replicate"], &args).unwrap();
        assert_eq!(
            body,
            br#"{"name":["ebt","replicate"],"args":[{"version":3}],"type":"duplex"}"#
        );
        let args = serde_json::value::to_raw_value(&serde_json::json!({})).unwrap();
        assert!(matches!(
            encode(CallKind::Async, &["a"], &args),
            Err(CallError::ArgsNotArray)
        ));
    }
}
