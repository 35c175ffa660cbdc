use super::*;
use crate::store::MemoryStore;
use crate::wire::Slice;
use proptest::prelude::*;

fn store_with(bytes: &[u8]) -> (MemoryStore, BlobId) {
    let store = MemoryStore::new();
    let id = store.add(bytes, Durability::Relaxed, 1).unwrap().id;
    (store, id)
}

fn args(id: BlobId, slice: Option<(u64, u64)>) -> GetArgs {
    let slice = slice.map(|(start, end)| Slice { start, end });
    GetArgs {
        id,
        size: None,
        max: None,
        slice,
    }
}

fn all(mut upload: Upload) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let Some(chunk) = upload.next_chunk().unwrap() {
        assert!(!chunk.is_empty() && chunk.len() <= CHUNK);
        bytes.extend_from_slice(&chunk);
    }
    bytes
}

fn begin(store: &MemoryStore, id: &BlobId, max: u64, resume: Option<u64>) -> (Download, GetArgs) {
    match Download::start(store, id, max, resume, 1).unwrap() {
        Start::Call(download, args) => (download, args),
        Start::Here(added) => panic!("here already: {added:?}"),
    }
}

#[test]
fn a_blob_travels() {
    let bytes = vec![9; 3 * CHUNK + 5];
    let (from, id) = store_with(&bytes);
    let to = MemoryStore::new();
    let (mut download, call) = begin(&to, &id, 1 << 20, None);
    assert_eq!(call.method(), crate::wire::GET);
    let mut upload = Upload::start(&from, &call).unwrap();
    while let Some(chunk) = upload.next_chunk().unwrap() {
        download.chunk(&chunk).unwrap();
        assert_eq!(to.size(&id).unwrap(), None, "not before the end");
    }
    assert!(download.finish().unwrap().new);
    assert_eq!(to.read(&id).unwrap().unwrap(), bytes);
    assert!(matches!(
        Download::start(&to, &id, 1 << 20, None, 1).unwrap(),
        Start::Here(Added { new: false, .. })
    ));
}

#[test]
fn a_download_that_broke_off_goes_on() {
    let bytes: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let (from, id) = store_with(&bytes);
    let to = MemoryStore::new();
    let (mut download, call) = begin(&to, &id, 1 << 20, None);
    let mut upload = Upload::start(&from, &call).unwrap();
    for _ in 0..2 {
        download
            .chunk(&upload.next_chunk().unwrap().unwrap())
            .unwrap();
    }
    assert_eq!(download.interrupt(5).unwrap(), 2 * CHUNK as u64);
    let (mut download, call) = begin(&to, &id, 1 << 20, Some(200_000));
    assert_eq!(call.method(), crate::wire::GET_SLICE);
    let rest = all(Upload::start(&from, &call).unwrap());
    assert_eq!(rest.len(), 200_000 - 2 * CHUNK);
    download.chunk(&rest).unwrap();
    assert!(download.finish().unwrap().new);

    // With a peer that knows no slices, or a size that leaves nothing to ask
    // for, it starts again.
    for resume in [None, Some(2 * CHUNK as u64)] {
        to.delete(&[id]).unwrap();
        let mut writer = to.download(&id, 6).unwrap();
        writer.write(&bytes[..2 * CHUNK]).unwrap();
        writer.suspend(6).unwrap();
        let (download, call) = begin(&to, &id, 1 << 20, resume);
        assert_eq!((download.received(), call.slice), (0, None));
    }
}

#[test]
fn a_suspended_download_that_was_complete_is_taken() {
    let to = MemoryStore::new();
    let id = BlobId::of(b"complete");
    let mut writer = to.download(&id, 1).unwrap();
    writer.write(b"complete").unwrap();
    writer.suspend(1).unwrap();
    let start = Download::start(&to, &id, 100, None, 2).unwrap();
    assert!(matches!(start, Start::Here(Added { new: true, .. })));
}

#[test]
fn lies_and_floods_leave_nothing() {
    let to = MemoryStore::new();
    let id = BlobId::of(b"right");
    let (mut download, _) = begin(&to, &id, 100, None);
    download.chunk(b"wrong").unwrap();
    let lie = download.finish().unwrap_err();
    assert!(matches!(
        lie,
        DownloadError::WrongHash { resumed: false, .. }
    ));

    let (mut download, _) = begin(&to, &id, 100, None);
    download.chunk(&[0; 100]).unwrap();
    assert!(matches!(
        download.chunk(&[0]),
        Err(DownloadError::TooLong { max: 100, .. })
    ));
    drop(download);

    let (mut download, _) = begin(&to, &id, u64::MAX, None);
    let flood = (0..).find_map(|_| download.chunk(&[0; CHUNK]).err());
    assert!(matches!(flood, Some(DownloadError::TooLong { .. })));
    drop(download);

    let mut writer = to.download(&id, 1).unwrap();
    writer.write(b"wro").unwrap();
    writer.suspend(1).unwrap();
    let (mut download, _) = begin(&to, &id, 100, Some(5));
    download.chunk(b"ng").unwrap();
    let lie = download.finish().unwrap_err();
    assert!(matches!(
        lie,
        DownloadError::WrongHash { resumed: true, .. }
    ));
    let (download, call) = begin(&to, &id, 100, Some(5));
    assert_eq!(
        (download.received(), call.slice),
        (0, None),
        "and it starts again"
    );
    assert_eq!(to.usage().unwrap().count, 0);
}

#[test]
fn short_pieces_are_not_kept() {
    let to = MemoryStore::new();
    let (mut download, _) = begin(&to, &BlobId::of(b"x"), 100, None);
    download.chunk(b"few").unwrap();
    assert_eq!(download.interrupt(1).unwrap(), 0);
    assert!(to.partials().unwrap().is_empty());
}

#[test]
fn the_empty_blob_is_an_answer_without_frames() {
    let store = MemoryStore::new();
    let mut upload = Upload::start(&store, &args(BlobId::EMPTY, None)).unwrap();
    assert!(upload.next_chunk().unwrap().is_none());
    let start = Download::start(&store, &BlobId::EMPTY, 10, None, 1).unwrap();
    assert!(matches!(start, Start::Here(_)));
}

#[test]
fn refusals_are_words() {
    let (store, id) = store_with(b"0123456789");
    let call = |size, max| GetArgs {
        id,
        size,
        max,
        slice: None,
    };
    let refused = |args: GetArgs| Upload::start(&store, &args).unwrap_err();
    assert!(matches!(
        refused(call(Some(9), None)),
        UploadError::WrongSize { size: 10, .. }
    ));
    assert!(matches!(
        refused(call(None, Some(9))),
        UploadError::TooLarge { size: 10, .. }
    ));
    let absent = refused(args(BlobId::of(b"absent"), None));
    assert!(matches!(absent, UploadError::NotFound { .. }));
    for text in [absent.to_string(), refused(call(None, Some(9))).to_string()] {
        assert_eq!(
            serde_json::to_string(&text).unwrap(),
            format!("\"{text}\""),
            "no escapes"
        );
    }
    assert_eq!(
        all(Upload::start(&store, &call(Some(10), Some(10))).unwrap()),
        b"0123456789"
    );
}

proptest! {
    #[test]
    fn slices_are_clipped_and_an_end_of_zero_is_the_end(
        len in 0usize..50, start in 0u64..60, end in 0u64..60,
    ) {
        let bytes: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let (store, id) = store_with(&bytes);
        let got = all(Upload::start(&store, &args(id, Some((start, end)))).unwrap());
        let last = if end == 0 { len } else { len.min(end as usize) };
        let expected = bytes.get(start as usize..last).unwrap_or_default();
        prop_assert_eq!(got, expected);
    }
}
