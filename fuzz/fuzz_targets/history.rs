//! createHistoryStream from both ends: any arguments and any store for who
//! answers, any items for who asks.
#![no_main]
use arbitrary::Arbitrary;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use studytime_fuzz::{Few, Many, feeds, within};
use studytime_replicate::ebt::Priority;
use studytime_replicate::history::{
    ClientConfig, ClientOutput, HistoryClient, HistoryServer, ServerOutput,
};
use studytime_replicate::wire::{HistoryRequest, history_item};
use studytime_replicate::{FeedStore, MemoryStore};
use studytime_schema::{FeedId, Message};

const NOW: u64 = 1_700_000_000_000;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Args(&'a [u8]),
    Serve {
        request: Request,
        here: u8,
        steps: Many<ServerStep, 100>,
    },
    Fetch {
        chunk: u8,
        steps: Many<ClientStep, 300>,
    },
}

#[derive(Arbitrary, Debug)]
struct Request {
    feed: u8,
    from: Number,
    limit: Option<Number>,
    live: bool,
    old: bool,
    keys: bool,
    values: bool,
}

#[derive(Arbitrary, Debug, Clone, Copy)]
enum Number {
    Near(u8),
    Any(u64),
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Near(n) => u64::from(n % 16),
            Self::Any(n) => n,
        }
    }
}

#[derive(Arbitrary, Debug)]
enum ServerStep {
    Append,
    Room(u16),
    /// The store fails the next read.
    Fail,
}

#[derive(Arbitrary, Debug)]
enum ClientStep {
    Want(u8, u8),
    Once(u8),
    Remove(u8),
    /// EBT works after all.
    Stop,
    Appended(u8, u8),
    Item {
        call: u8,
        feed: u8,
        n: u8,
        wrapped: bool,
    },
    Shape {
        call: u8,
        feed: u8,
        sequence: i64,
    },
    Raw(u8, Few),
    End(u8, bool),
    Ingested(u8, u8, u8),
    Wait(u32),
}

fuzz_target!(|input: Input<'_>| within(32 << 20, || match input {
    Input::Args(args) => {
        if let Ok(request) = HistoryRequest::from_args(args) {
            let again = HistoryRequest::from_args(request.to_args().as_bytes());
            let from = request.from.max(1);
            assert_eq!(again, Ok(HistoryRequest { from, ..request }));
            drive(HistoryServer::new(request, 3, true, 1000), &request, 3, &[]);
        }
    }
    Input::Serve {
        request,
        here,
        steps,
    } => serve(&request, here, &steps.0),
    Input::Fetch { chunk, steps } => fetch(chunk, &steps.0),
}));

fn feed(n: u8) -> FeedId {
    feeds::all()[usize::from(n) % feeds::FEEDS][0].author()
}

fn serve(request: &Request, here: u8, steps: &[ServerStep]) {
    let here = u64::from(here) % (feeds::MESSAGES as u64 + 1);
    let mut asked = HistoryRequest::new(feed(request.feed), request.from.get());
    asked.limit = request.limit.map(Number::get);
    (asked.live, asked.old) = (request.live, request.old);
    (asked.keys, asked.values) = (request.keys, request.values);
    drive(
        HistoryServer::new(asked, here, true, 1000),
        &asked,
        here,
        steps,
    );
}

/// Answers one call to its end, or to the end of the steps.
fn drive(mut server: HistoryServer, request: &HistoryRequest, here: u64, steps: &[ServerStep]) {
    let store = MemoryStore::new();
    let chain = feeds::of(&request.feed).unwrap_or_default();
    let mut tip = here.min(chain.len() as u64);
    store.append(&chain[..tip as usize], 1).expect("it fits");
    let (mut sent, mut last, mut ended, mut fail) = (0u64, 0u64, false, false);
    let (mut room, mut over) = (1000usize, 0usize);
    let first = if request.old {
        request.from.max(1)
    } else {
        request.from.max(here.saturating_add(1))
    };
    for step in steps.iter().map(Some).chain([None]) {
        match step {
            Some(ServerStep::Append) => {
                if let Some(next) = chain.get(tip as usize) {
                    store
                        .append(std::slice::from_ref(next), 1)
                        .expect("it fits");
                    tip += 1;
                    server.appended(tip);
                }
            }
            Some(ServerStep::Room(bytes)) => {
                room = usize::from(*bytes);
                server.writable(room);
            }
            Some(ServerStep::Fail) => fail = true,
            None => server.writable(usize::MAX),
        }
        let mut count = 0;
        while let Some(output) = server.poll_output() {
            assert!(!ended, "something after the end");
            count += 1;
            assert!(count < 200, "no end of outputs");
            match output {
                ServerOutput::Read {
                    feed,
                    from,
                    max_count,
                    max_bytes,
                } => {
                    assert!(
                        feed == request.feed && from >= first && max_count > 0 && max_bytes > 0
                    );
                    let found = store
                        .read(&feed, from, max_count, max_bytes)
                        .expect("memory");
                    let found = if std::mem::take(&mut fail) {
                        Vec::new()
                    } else {
                        found
                    };
                    server.handle_read(&found);
                }
                ServerOutput::Send(item) => {
                    sent += 1;
                    over += item.len();
                    if request.values {
                        let wire = history_item(&item).expect("ours");
                        let message = Message::from_log(&wire).expect("ours");
                        assert!(message.author() == request.feed && message.sequence() >= first);
                        assert!(last == 0 || message.sequence() == last + 1, "in order");
                        last = message.sequence();
                    }
                }
                ServerOutput::End => ended = true,
                _ => {}
            }
        }
        assert!(request.limit.is_none_or(|limit| sent <= limit));
        let _ = (room, over);
    }
    assert!(
        ended || server.is_live(),
        "who asks for what is here gets an end"
    );
}

fn fetch(chunk: u8, steps: &[ClientStep]) {
    let mut config = ClientConfig::default();
    config.chunk = u64::from(chunk % 8) + 1;
    config.concurrent = 2;
    config.live = usize::from(chunk / 8 % 4);
    let mut client = HistoryClient::new(config);
    let mut now = NOW;
    let mut open = Vec::new();
    for step in steps {
        let pick = |n: u8| {
            open.get(usize::from(n) % open.len().max(1))
                .copied()
                .unwrap_or(u64::from(n))
        };
        match step {
            ClientStep::Want(f, tip) => {
                client.want(feed(*f), u64::from(*tip), Priority::FRIEND, now)
            }
            ClientStep::Once(f) => client.fetch_once(feed(*f), 0, now),
            ClientStep::Remove(f) => client.remove(&feed(*f), now),
            ClientStep::Stop => client.stop(now),
            ClientStep::Appended(f, tip) => client.appended(&feed(*f), u64::from(*tip)),
            ClientStep::Item {
                call,
                feed: f,
                n,
                wrapped,
            } => {
                let chain = &feeds::all()[usize::from(*f) % feeds::FEEDS];
                let wire = chain[usize::from(*n) % chain.len()].wire();
                let item = if *wrapped {
                    format!(r#"{{"key":"%x","value":{wire},"timestamp":1}}"#)
                } else {
                    wire.to_owned()
                };
                client.handle_item(pick(*call), &Bytes::from(item), now);
            }
            ClientStep::Shape {
                call,
                feed: f,
                sequence,
            } => {
                let text = format!(
                    r#"{{"author":"{}","sequence":{sequence},"content":{{}}}}"#,
                    feed(*f)
                );
                client.handle_item(pick(*call), &Bytes::from(text), now);
            }
            ClientStep::Raw(call, bytes) => {
                client.handle_item(pick(*call), &Bytes::copy_from_slice(&bytes.0), now)
            }
            ClientStep::End(call, ok) => client.handle_end(pick(*call), *ok, now),
            ClientStep::Ingested(f, tip, outcome) => {
                let sequence = u64::from(*tip);
                let outcome = feeds::outcome(*outcome, sequence);
                client.handle_ingested(&feed(*f), sequence, outcome, now);
            }
            ClientStep::Wait(ms) => {
                now += u64::from(ms % 100_000_000);
                client.handle_timeout(now);
                assert!(
                    client.poll_timeout().is_none_or(|at| at > now),
                    "a timer that never rests"
                );
            }
        }
        let mut count = 0;
        while let Some(output) = client.poll_output() {
            count += 1;
            assert!(count < 500, "no end of outputs");
            match output {
                ClientOutput::Call { call, request } => {
                    assert!(!open.contains(&call));
                    assert!(request.from >= 1 && request.limit.is_some() != request.live);
                    open.push(call);
                }
                ClientOutput::Ingest { sequence, .. } => assert!(sequence >= 1),
                _ => {}
            }
        }
    }
}
