//! Physical limits, measured beside what they limit.

use super::meter::{Spent, measure};
use dryoc::classic::crypto_secretbox as dryoc_box;
use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use sodiumoxide::crypto::secretbox;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use studytime_schema::Keypair;

/// dalek's bare `verify_strict` of `count` signatures over texts of `bytes`, keys at
/// hand, on `threads` threads: what no ingest of as many messages can beat.
pub(crate) fn strict_signatures(count: usize, bytes: usize, threads: usize) -> Spent {
    let signed: Vec<(VerifyingKey, Signature, Vec<u8>)> = (0..16u8)
        .map(|n| {
            let keys = Keypair::from_seed(&[n + 1; 32]);
            let text = vec![b'a' + n; bytes];
            let key = VerifyingKey::from_bytes(keys.id().as_bytes()).expect("a key");
            (key, Signature::from_bytes(&keys.sign(&text)), text)
        })
        .collect();
    let ((), spent) = measure(|| {
        std::thread::scope(|scope| {
            for t in 0..threads {
                let signed = &signed;
                scope.spawn(move || {
                    for i in (t..count).step_by(threads) {
                        let (key, signature, text) = &signed[i % signed.len()];
                        key.verify_strict(text, signature).expect("valid");
                    }
                });
            }
        });
    });
    spent
}

/// Appending the same bytes to a plain file, synced after every `group` records.
pub(crate) fn plain_log(dir: &Path, records: &[&[u8]], group: usize) -> Spent {
    let path = dir.join("limit.log");
    let mut file = std::fs::File::create(&path).expect("a file");
    let ((), spent) = measure(|| {
        for records in records.chunks(group) {
            file.write_all(&records.concat()).expect("space");
            file.sync_data().expect("synced");
        }
    });
    std::fs::remove_file(path).expect("removed");
    spent
}

/// The most bytes in one box of a box stream, its header, and a piece of a copy.
const BODY: usize = 4096;
const HEADER: usize = 18;
const PIECE: usize = 128 * 1024;

/// What moving blobs costs at the least, in processor seconds by part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Transfer {
    /// Megabytes moved.
    pub(crate) mb: f64,
    read: f64,
    /// Both boxes of each chunk, by libsodium.
    pub(crate) seal: f64,
    pub(crate) open: f64,
    /// The same by dryoc: for comparison only.
    dryoc_seal: f64,
    dryoc_open: f64,
    /// Into a socket on loopback, and out of it.
    put: f64,
    take: f64,
    hash: f64,
    write: f64,
}

impl Transfer {
    /// Of the sending side.
    pub(crate) fn sender(&self) -> f64 {
        self.read + self.seal + self.put
    }

    /// Of the receiving side.
    pub(crate) fn receiver(&self) -> f64 {
        self.take + self.open + self.hash + self.write
    }

    /// The parts, for people.
    pub(crate) fn tell(&self) {
        let rate = |seconds: f64| self.mb / seconds.max(1e-9);
        println!(
            "    the limit is made of, in MB per CPU s: read {:.0}, seal {:.0} (dryoc {:.0}), into the socket {:.0}, \
             out of it {:.0}, open {:.0} (dryoc {:.0}), sha256 {:.0}, write {:.0}",
            rate(self.read),
            rate(self.seal),
            rate(self.dryoc_seal),
            rate(self.put),
            rate(self.take),
            rate(self.open),
            rate(self.dryoc_open),
            rate(self.hash),
            rate(self.write),
        );
    }
}

/// Measures the parts of moving `files` blobs of `size` bytes, each on its own and on
/// one thread.
pub(crate) fn blobs(dir: &Path, files: usize, size: usize) -> Transfer {
    let _ = sodiumoxide::init();
    let bytes: Vec<u8> = (0..size).map(|n| (n * 7 % 251) as u8).collect();
    let name = |n: usize| dir.join(format!("limit-{n}"));
    let cpu = |work: &mut dyn FnMut()| measure(work).1.cpu;
    let each = |work: &mut dyn FnMut(usize)| cpu(&mut || (0..files).for_each(&mut *work));
    let write = each(&mut |n| {
        let mut file = std::fs::File::create(name(n)).expect("a file");
        for piece in bytes.chunks(PIECE) {
            file.write_all(piece).expect("space");
        }
    });
    let mut buffer = vec![0; PIECE];
    let read = each(&mut |n| {
        let mut file = std::fs::File::open(name(n)).expect("a file");
        while file.read(&mut buffer).expect("readable") > 0 {}
    });
    (0..files).for_each(|n| std::fs::remove_file(name(n)).expect("removed"));
    let hash = each(&mut |_| {
        black_box(Sha256::digest(&bytes));
    });
    let (key, nonce) = (secretbox::gen_key(), secretbox::gen_nonce());
    let (mut body, mut header) = (vec![0u8; BODY], [0u8; HEADER]);
    let seal = each(&mut |_| {
        for chunk in bytes.chunks(BODY) {
            let body = &mut body[..chunk.len()];
            body.copy_from_slice(chunk);
            let _ = black_box(secretbox::seal_detached(body, &nonce, &key));
            let _ = black_box(secretbox::seal_detached(&mut header, &nonce, &key));
        }
    });
    // One sealed chunk, opened again and again: each time out of its own copy.
    let mut sealed = bytes[..BODY.min(size)].to_vec();
    let tag = secretbox::seal_detached(&mut sealed, &nonce, &key);
    let mut sealed_header = [0u8; HEADER];
    let header_tag = secretbox::seal_detached(&mut sealed_header, &nonce, &key);
    let chunks = size.div_ceil(BODY);
    let open = each(&mut |_| {
        for _ in 0..chunks {
            header.copy_from_slice(&sealed_header);
            secretbox::open_detached(&mut header, &header_tag, &nonce, &key).expect("opens");
            let body = &mut body[..sealed.len()];
            body.copy_from_slice(&sealed);
            secretbox::open_detached(body, &tag, &nonce, &key).expect("opens");
        }
    });
    let (key, nonce) = (key.0, nonce.0);
    let mut boxed = vec![0u8; BODY + 16];
    let mut boxed_header = [0u8; HEADER + 16];
    let dryoc_seal = each(&mut |_| {
        for chunk in bytes.chunks(BODY) {
            let boxed = &mut boxed[..chunk.len() + 16];
            dryoc_box::crypto_secretbox_easy(boxed, chunk, &nonce, &key).expect("sealed");
            dryoc_box::crypto_secretbox_easy(&mut boxed_header, &header, &nonce, &key)
                .expect("sealed");
        }
    });
    let full = &bytes[..BODY.min(size)];
    let boxed = &mut boxed[..full.len() + 16];
    dryoc_box::crypto_secretbox_easy(boxed, full, &nonce, &key).expect("sealed");
    let dryoc_open = each(&mut |_| {
        for _ in 0..chunks {
            dryoc_box::crypto_secretbox_open_easy(&mut header, &boxed_header, &nonce, &key)
                .expect("opens");
            let body = &mut body[..full.len()];
            dryoc_box::crypto_secretbox_open_easy(body, boxed, &nonce, &key).expect("opens");
        }
    });
    let (put, take) = loopback(&bytes, files);
    Transfer {
        mb: (files * size) as f64 / 1e6,
        read,
        seal,
        open,
        dryoc_seal,
        dryoc_open,
        put,
        take,
        hash,
        write,
    }
}

/// A copy through a socket, in large pieces: the processor time of both sides, told
/// apart by halves, as the system counts the whole process.
fn loopback(bytes: &[u8], times: usize) -> (f64, f64) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let ((), spent) = measure(|| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut stream = TcpStream::connect(address).expect("a listener");
                for _ in 0..times {
                    for piece in bytes.chunks(PIECE) {
                        stream.write_all(piece).expect("taken");
                    }
                }
            });
            let (mut stream, _) = listener.accept().expect("a dialler");
            let mut buffer = vec![0; PIECE];
            while stream.read(&mut buffer).expect("readable") > 0 {}
        });
    });
    (spent.cpu / 2.0, spent.cpu / 2.0)
}
