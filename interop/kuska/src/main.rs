//! kuska-ssb as a peer: connects, asks who we are, for a feed and for a blob, and
//! prints what came, a JSON line each.
//!
//! `kuska-peer HOST:PORT KEY NETWORK FEED BLOB`: key and network in base64, the
//! feed and the blob as ids.

use async_std::net::TcpStream;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kuska_handshake::async_std::{BoxStream, handshake_client};
use kuska_sodiumoxide::crypto::{auth, sign::ed25519};
use kuska_ssb::api::ApiCaller;
use kuska_ssb::api::dto::{BlobsGetIn, CreateHistoryStreamIn};
use kuska_ssb::feed::Message;
use kuska_ssb::rpc::{RecvMsg, RpcReader, RpcWriter};
use serde_json::json;
use std::error::Error;

fn bytes(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    Ok(STANDARD.decode(text)?)
}

async fn run(args: &[String]) -> Result<(), Box<dyn Error>> {
    let [address, key, network, feed, blob] = args else {
        return Err("usage: kuska-peer HOST:PORT KEY NETWORK FEED BLOB".into());
    };
    let network = auth::Key::from_slice(&bytes(network)?).ok_or("no network key")?;
    let server = ed25519::PublicKey::from_slice(&bytes(key)?).ok_or("no public key")?;
    let (public, secret) = ed25519::gen_keypair();
    let mut socket = TcpStream::connect(address).await?;
    let shaken = handshake_client(&mut socket, network, public, secret, server).await?;
    let (read, write) =
        BoxStream::from_handshake(&socket, &socket, shaken, 0x8000).split_read_write();
    let mut reader = RpcReader::new(read);
    let mut caller = ApiCaller::new(RpcWriter::new(write));

    let whoami = caller.whoami_req_send().await?;
    let history = CreateHistoryStreamIn::new(feed.clone()).keys_values(false, true);
    let history = caller.create_history_stream_req_send(&history).await?;
    let blob = BlobsGetIn::new(blob.clone()).max(5 << 20);
    let blob = caller.blobs_get_req_send(&blob).await?;
    let (mut open, mut data) = (3, Vec::new());
    while open > 0 {
        let (request, what) = reader.recv().await?;
        match what {
            RecvMsg::ErrorResponse(error) if request == whoami => {
                println!("{}", json!({ "whoami_error": error }));
                open -= 1;
            }
            RecvMsg::RpcResponse(_, body) if request == whoami => {
                println!("{}", json!({ "whoami": String::from_utf8(body)? }));
                open -= 1;
            }
            RecvMsg::RpcResponse(_, body) if request == history => {
                // Its own check of signature and form, its own id.
                let message = Message::from_slice(&body)?;
                println!(
                    "{}",
                    json!({ "message": message.id().to_string(), "sequence": message.sequence() })
                );
            }
            RecvMsg::RpcResponse(_, body) if request == blob => data.extend(body),
            RecvMsg::CancelStreamRespose() if request == history => open -= 1,
            RecvMsg::CancelStreamRespose() if request == blob => {
                println!("{}", json!({ "blob": STANDARD.encode(&data) }));
                open -= 1;
            }
            // What the other side asks of us; it has to do without.
            _ => {}
        }
    }
    Ok(())
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if kuska_sodiumoxide::init().is_err() {
        eprintln!("libsodium cannot be used");
        std::process::exit(1);
    }
    if let Err(error) = async_std::task::block_on(run(&args)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
