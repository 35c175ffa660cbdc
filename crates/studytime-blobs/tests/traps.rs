//! What breaks the exchange of blobs with one known program or another, in the
//! order of the table in docs/protocol.md. The rest of it is tested where it lives.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use serde_json::json;
use studytime_blobs::store::{BlobStore, Durability, MemoryStore};
use studytime_blobs::transfer::{Download, Start};
use studytime_blobs::wire::GetArgs;
use studytime_schema::{BlobId, MAX_BLOB_SIZE};

const NOW: u64 = 1_700_000_000_000;

/// JavaScript answers an empty slice with a packet without a body, which ends the
/// connection: a download is never taken up again at or behind its end.
#[test]
fn trap_1_no_empty_slice_is_asked_for() {
    let bytes = vec![7u8; 200_000];
    let id = BlobId::of(&bytes);
    let part = 150_000u64;
    for reported in [
        None,
        Some(0),
        Some(1),
        Some(part - 1),
        Some(part),
        Some(part + 1),
    ] {
        for max in [part - 1, part, part + 1, MAX_BLOB_SIZE - 1] {
            let store = MemoryStore::new();
            let start = Download::start(&store, &id, MAX_BLOB_SIZE - 1, None, NOW).unwrap();
            let Start::Call(mut download, _) = start else {
                panic!("it is not here")
            };
            download.chunk(&bytes[..part as usize]).unwrap();
            assert_eq!(download.interrupt(NOW).unwrap(), part);
            let again = Download::start(&store, &id, max, reported, NOW).unwrap();
            let Start::Call(_, args) = again else {
                panic!("it is not whole")
            };
            let slice = args.slice.map(|s| (s.start, s.end));
            assert!(
                slice.is_none_or(|(a, b)| a < b),
                "{reported:?} {max}: {slice:?}"
            );
            let goes_on = reported.is_some_and(|r| r > part) && max > part;
            assert_eq!(slice.is_some(), goes_on, "{reported:?} {max}");
        }
    }
}

/// go-ssb knows only `key`, and takes a missing `max` for 0; what others write is
/// read.
#[test]
fn trap_8_get_names_key_and_max() {
    let id = BlobId::of(b"moss");
    for max in [None, Some(17)] {
        let args = GetArgs {
            id,
            size: None,
            max,
            slice: None,
        };
        let sent = args.to_args();
        assert_eq!(sent[0]["key"], id.to_string());
        assert_eq!(sent[0]["max"], max.unwrap_or(MAX_BLOB_SIZE));
    }
    for args in [
        json!([id.to_string()]),
        json!([{ "key": id.to_string() }]),
        json!([{ "hash": id.to_string() }]),
        json!([{ "id": id.to_string(), "max": 9 }]),
    ] {
        assert_eq!(GetArgs::parse(&args, false).unwrap().id, id, "{args}");
    }
}

/// JavaScript refuses a blob of 5 MiB; one byte less is taken everywhere.
#[test]
fn trap_9_blobs_stay_below_five_mebibytes() {
    assert_eq!(MAX_BLOB_SIZE, 5 * 1024 * 1024);
    let store = MemoryStore::new();
    let mut bytes = vec![1u8; MAX_BLOB_SIZE as usize];
    assert!(store.add(&bytes, Durability::Relaxed, NOW).is_err());
    bytes.pop();
    let added = store.add(&bytes, Durability::Relaxed, NOW).unwrap();
    assert_eq!(added.size, MAX_BLOB_SIZE - 1);
}
