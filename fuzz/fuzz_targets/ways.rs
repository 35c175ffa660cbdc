//! Ways to other peers, as people paste them and servers tell them: addresses with
//! alternatives, invites, aliases, answers of room servers, who is in a room.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use studytime_fuzz::{feeds::keys, within};
use studytime_schema::FeedId;

// Their crate brings sockets and a runtime; these files need neither.
#[allow(dead_code, unused_imports, unreachable_pub)]
#[path = "../../crates/studytime-node/src/net/address/mod.rs"]
mod address;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/studytime-node/src/invite/mod.rs"]
mod invite;
#[allow(dead_code, unreachable_pub)]
#[path = "../../crates/studytime-node/src/net/room/presence.rs"]
mod presence;

/// Where those files look for each other.
mod net {
    pub(crate) use crate::address;
    pub(crate) use crate::address::{
        Address, Multiserver, ParseAddressError, Target, TunnelAddress,
    };
}

use address::{Multiserver, Target};
use invite::{Invitation, answer};
use presence::{MAX_ATTENDANTS, Presence};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a str),
    Ways(Vec<Way<'a>>),
    /// An `ssb:experimental` URI.
    Uri {
        action: &'a str,
        fields: Vec<(Field, &'a str)>,
        encoded: bool,
    },
    Answer(&'a str),
    Room(Vec<(bool, &'a [u8])>),
}

#[derive(Arbitrary, Debug)]
struct Way<'a> {
    protocol: Protocol,
    data: &'a str,
    port: u16,
    key: Option<u8>,
    seed: Option<u8>,
}

#[derive(Arbitrary, Debug)]
enum Protocol {
    Net,
    Tunnel(u8, u8),
    Ws,
    Legacy,
}

#[derive(Arbitrary, Debug)]
enum Field {
    Invite,
    PostTo,
    Alias,
    UserId,
    RoomId,
    Signature,
    Multiserver,
}

fuzz_target!(|input: Input<'_>| within(16 << 20, || run(input)));

fn run(input: Input<'_>) {
    match input {
        Input::Text(text) => pasted(text),
        Input::Ways(ways) => {
            let texts: Vec<String> = ways.iter().map(written).collect();
            pasted(&texts.join(";"));
        }
        Input::Uri {
            action,
            fields,
            encoded,
        } => pasted(&uri(action, &fields, encoded)),
        Input::Answer(text) => {
            if let Ok(value) = serde_json::from_str(text) {
                let _ = answer::page(&value);
                let _ = answer::claimed(&value);
                let _ = answer::refusal(&value).map(|said| {
                    assert!(!said.contains(char::is_control) && said.chars().count() <= 300);
                });
            }
        }
        Input::Room(frames) => room(&frames),
    }
}

fn id(n: u8) -> String {
    keys(n).id().to_string()
}

fn bare(n: u8) -> String {
    id(n)
        .trim_start_matches('@')
        .trim_end_matches(".ed25519")
        .to_owned()
}

fn written(way: &Way<'_>) -> String {
    let (data, port) = (way.data, way.port);
    let place = match way.protocol {
        Protocol::Net => format!("net:{data}:{port}"),
        Protocol::Tunnel(room, peer) => format!("tunnel:{}:{}", id(room), id(peer)),
        Protocol::Ws => format!("ws:{data}:{port}"),
        Protocol::Legacy => {
            let seed = way
                .seed
                .map(|n| format!("~{}", bare(n)))
                .unwrap_or_default();
            return format!("{data}:{port}:{}{seed}", id(way.key.unwrap_or(1)));
        }
    };
    let key = way
        .key
        .map(|n| format!("~shs:{}", bare(n)))
        .unwrap_or_default();
    let seed = way
        .seed
        .map(|n| format!(":{}", bare(n)))
        .unwrap_or_default();
    format!("{place}{key}{seed}")
}

fn uri(action: &str, fields: &[(Field, &str)], encoded: bool) -> String {
    let mut text = format!("ssb:experimental?action={action}");
    for (field, value) in fields {
        let name = match field {
            Field::Invite => "invite",
            Field::PostTo => "postTo",
            Field::Alias => "alias",
            Field::UserId => "userId",
            Field::RoomId => "roomId",
            Field::Signature => "signature",
            Field::Multiserver => "multiserverAddress",
        };
        let value = match encoded {
            true => value.bytes().map(|b| format!("%{b:02x}")).collect(),
            false => (*value).to_owned(),
        };
        text += &format!("&{name}={value}");
    }
    text
}

fn pasted(text: &str) {
    if let Err(error) = Invitation::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    let Ok(all) = text.parse::<Multiserver>() else {
        return;
    };
    let shown = all.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert_eq!(shown.parse::<Multiserver>().as_ref(), Ok(&all), "{shown:?}");
    for target in all.targets() {
        let shown = target.to_string();
        let again: Multiserver = shown.parse().expect("what we write can be read");
        assert_eq!(
            again.targets().collect::<Vec<_>>(),
            [target.clone()],
            "{shown:?}"
        );
        if let Target::Tcp(address) = target {
            assert!(!address.host.is_empty() && address.port != 0);
            assert!(address.plain().seed.is_none());
        }
    }
}

fn room(frames: &[(bool, &[u8])]) {
    let mut here = Presence::default();
    for (newer, frame) in frames {
        let before: Vec<FeedId> = here.ids().collect();
        let told = match newer {
            true => here.attendants(frame),
            false => here.endpoints(frame),
        };
        assert!(here.ids().len() <= MAX_ATTENDANTS);
        if told.is_err() {
            assert!(here.ids().eq(before), "a wrong frame changes nothing");
        }
        for name in [presence::metadata(frame), presence::is_room(frame)]
            .into_iter()
            .flatten()
            .flatten()
        {
            assert!(!name.is_empty() && !name.contains(char::is_control));
        }
    }
}
