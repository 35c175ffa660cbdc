//! Physical limits, measured beside what they limit.

use super::meter::{Spent, measure};
use std::io::Write as _;
use std::path::Path;
use studytime_schema::{Keypair, VerifyingKey};

/// Strict verification of `count` signatures over texts of `bytes`, keys at
/// hand, on `threads` threads: what no ingest of as many messages can beat.
pub(crate) fn strict_signatures(count: usize, bytes: usize, threads: usize) -> Spent {
    let signed: Vec<(VerifyingKey, [u8; 64], Vec<u8>)> = (0..16u8)
        .map(|n| {
            let keys = Keypair::from_seed(&[n + 1; 32]);
            let text = vec![b'a' + n; bytes];
            let key = VerifyingKey::new(keys.id()).expect("a valid key");
            (key, keys.sign(&text), text)
        })
        .collect();
    let ((), spent) = measure(|| {
        std::thread::scope(|scope| {
            for t in 0..threads {
                let signed = &signed;
                scope.spawn(move || {
                    for i in (t..count).step_by(threads) {
                        let (key, signature, text) = &signed[i % signed.len()];
                        assert!(key.verify(text, signature));
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
