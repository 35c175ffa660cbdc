//! The small texts that come from outside: secret files, ids, keys, addresses
//! and invites, frames and arguments of the blob calls, keywords.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use std::fmt::{Debug, Display};
use std::str::FromStr;
use studytime_blobs::wire::{GetArgs, HasArgs, MAX_HAS, WantFrame};
use studytime_fuzz::{feeds::keys, within};
use studytime_schema::{BlobId, FeedId, HmacKey, Keypair, MessageId, NetworkKey, subjects};

// Its crate brings sockets and a runtime; this file needs neither.
#[allow(dead_code, unused_imports)]
#[path = "../../crates/studytime-node/src/net/address/mod.rs"]
mod address;
use address::Address;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Secret(&'a str),
    /// A right secret file with a piece of it replaced.
    Bent {
        at: u16,
        len: u8,
        with: &'a str,
    },
    Reference(&'a str),
    Address(&'a str),
    Invite {
        host: &'a str,
        port: u16,
        seed: Option<u8>,
        legacy: bool,
        tail: &'a str,
    },
    Want(&'a [u8]),
    Args(&'a str),
    Keywords(Vec<&'a str>),
}

fuzz_target!(|input: Input<'_>| within(16 << 20, || run(input)));

fn run(input: Input<'_>) {
    match input {
        Input::Secret(text) => secret(text),
        Input::Bent { at, len, with } => {
            let mut text = keys(1).to_secret_file();
            let at = text.floor_char_boundary(usize::from(at) % text.len());
            let end = text.ceil_char_boundary((at + usize::from(len)).min(text.len()));
            text.replace_range(at..end, with);
            secret(&text);
        }
        Input::Reference(text) => {
            round::<FeedId>(text);
            round::<MessageId>(text);
            round::<BlobId>(text);
            round::<NetworkKey>(text);
            round::<HmacKey>(text);
            if let Ok(feed) = FeedId::parse_lenient(text) {
                assert_eq!(feed.to_uri().parse(), Ok(feed));
                assert_eq!(FeedId::parse_lenient(&feed.to_bare()), Ok(feed));
            }
            if let Ok(blob) = BlobId::parse_lenient(text) {
                assert_eq!(blob.to_uri().parse(), Ok(blob));
            }
        }
        Input::Address(text) => round::<Address>(text),
        Input::Invite {
            host,
            port,
            seed,
            legacy,
            tail,
        } => {
            let key = keys(1).id().to_bare();
            let seed = seed.map(|n| NetworkKey::from_bytes([n; 32]).to_string());
            let seed = seed.as_deref();
            let text = match (legacy, seed) {
                (true, _) => format!("{host}:{port}:@{key}~{}{tail}", seed.unwrap_or_default()),
                (false, None) => format!("net:{host}:{port}~shs:{key}{tail}"),
                (false, Some(seed)) => format!("net:{host}:{port}~shs:{key}:{seed}{tail}"),
            };
            round::<Address>(&text);
        }
        Input::Want(bytes) => {
            if let Ok(frame) = WantFrame::parse(bytes) {
                let again = WantFrame::parse(&frame.to_json()).expect("what we write can be read");
                assert_eq!(again, frame);
            }
        }
        Input::Args(text) => args(text),
        Input::Keywords(words) => {
            let subject = subjects::classify(&words);
            let _ = format!("{subject:?}");
        }
    }
}

fn secret(text: &str) {
    if let Ok(keys) = Keypair::from_secret_file(text) {
        let again = Keypair::from_secret_file(&keys.to_secret_file()).expect("our own file");
        assert_eq!(again.id(), keys.id());
        assert_eq!(again.secret_bytes(), keys.secret_bytes());
    }
}

/// What can be read is written in a form that reads back.
fn round<T: FromStr<Err: Debug> + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        let written = value.to_string();
        match written.parse::<T>() {
            Ok(again) => assert_eq!(again, value, "{written:?}"),
            Err(error) => {
                panic!("{text:?} is written as {written:?}, and that is not read: {error:?}")
            }
        }
        assert!(!written.contains(char::is_control), "{written:?}");
    }
}

fn args(text: &str) {
    let Ok(value) = serde_json::from_str(text) else {
        return;
    };
    if let Ok(args) = HasArgs::parse(&value) {
        assert!(args.ids.len() <= MAX_HAS);
        let _ = args.answer(|_| true);
    }
    for slice in [false, true] {
        if let Ok(args) = GetArgs::parse(&value, slice) {
            let again = GetArgs::parse(&args.to_args(), slice).expect("our own arguments");
            assert_eq!(
                (again.id, again.size, again.slice),
                (args.id, args.size, args.slice)
            );
        }
    }
}
