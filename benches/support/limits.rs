//! Physical limits, measured beside what they limit.

use super::meter::{Spent, measure};
use ed25519_dalek::{Signature, VerifyingKey};
use std::io::Write as _;
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
