use super::*;
use crate::wants::{BlobKind, Priority};
use proptest::prelude::*;

fn id(n: usize) -> BlobId {
    BlobId::of(&n.to_le_bytes())
}

/// A file of `segments` segments of 100 bytes, the last of 30.
fn file(segments: usize) -> Arc<MediaFile> {
    let manifest = Manifest {
        content_type: "video/mp4".into(),
        size: (segments as u64 - 1) * 100 + 30,
        segment_size: 100,
        sha256: [0; 32],
        segments: (0..segments).map(id).collect(),
    };
    Arc::new(MediaFile::segmented(id(999_999), &manifest).unwrap())
}

fn config(window: u32) -> MediaConfig {
    MediaConfig {
        window,
        ..MediaConfig::default()
    }
}

/// Says that everything asked for is missing.
fn all_missing(media: &mut Media) {
    while let Some(blobs) = media.poll_lookup() {
        for blob in blobs {
            assert!(media.looked_up(&blob, false).is_empty());
        }
    }
}

fn ids(wants: &[(BlobId, WantSpec)]) -> Vec<BlobId> {
    wants.iter().map(|(id, _)| *id).collect()
}

#[test]
fn the_window_moves_with_the_position() {
    let mut media = Media::new(config(4));
    let reader = media.open(file(10), None);
    assert_eq!(media.read(reader), Read::Lookup { blob: id(0) });
    all_missing(&mut media);
    assert_eq!(media.read(reader), Read::NeedSegment { blob: id(0) });
    let wants = media.poll_wants().unwrap();
    assert_eq!(ids(&wants), [id(0), id(1), id(2), id(3)]);
    assert_eq!(wants[0].1, WantSpec::segment(Priority::Playing, 0, 100));
    assert_eq!(
        wants[1].1.rank.order, 2,
        "only what is waited for is urgent"
    );
    assert_eq!(media.poll_wants(), None, "nothing new");

    assert_eq!(media.segment_arrived(&id(0)), [reader]);
    assert_eq!(media.segment_arrived(&id(2)), []);
    assert_eq!(
        media.read(reader),
        Read::Ready {
            blob: id(0),
            offset: 0,
            len: 100
        }
    );
    media.advance(reader, 60);
    assert_eq!(
        media.read(reader),
        Read::Ready {
            blob: id(0),
            offset: 60,
            len: 40
        }
    );
    assert_eq!(ids(&media.poll_wants().unwrap()), [id(1), id(3)]);
    media.advance(reader, 40);
    assert_eq!(
        media.poll_lookup(),
        Some(vec![id(4)]),
        "only what entered the window"
    );
    media.looked_up(&id(4), true);
    assert_eq!(media.read(reader), Read::NeedSegment { blob: id(1) });
    assert_eq!(ids(&media.poll_wants().unwrap()), [id(1), id(3)]);

    media.seek(reader, 925);
    all_missing(&mut media);
    let wants = media.poll_wants().unwrap();
    assert_eq!(ids(&wants), [id(9)]);
    assert_eq!(wants[0].1.max, 30, "the last segment is short");
    media.seek(reader, 930);
    assert_eq!(media.read(reader), Read::End);
    media.seek(reader, u64::MAX);
    assert_eq!(media.read(reader), Read::End);
    media.advance(reader, u64::MAX);
    assert_eq!(
        media.poll_wants(),
        Some(vec![]),
        "behind the end nothing is wanted"
    );
    media.close(reader);
    assert_eq!(media.read(reader), Read::Closed);
}

#[test]
fn closing_withdraws() {
    let mut media = Media::new(config(4));
    let reader = media.open(file(10), None);
    media.read(reader);
    all_missing(&mut media);
    assert_eq!(media.poll_wants().unwrap().len(), 4);
    media.close(reader);
    assert_eq!(media.poll_wants(), Some(vec![]));
    assert_eq!(media.poll_wants(), None);
    media.close(reader);
    assert_eq!(media.segment_arrived(&id(0)), []);
}

#[test]
fn windows_of_several_readers_are_interleaved() {
    let mut media = Media::new(config(3));
    let old = media.open(file(20), None);
    let new = media.open(file(20), None);
    media.seek(old, 0);
    media.seek(new, 1_000);
    media.read(old);
    media.read(new);
    all_missing(&mut media);
    assert_eq!(media.read(old), Read::NeedSegment { blob: id(0) });
    let wants = media.poll_wants().unwrap();
    let expected = [id(0), id(10), id(11), id(1), id(12), id(2)];
    assert_eq!(
        ids(&wants),
        expected,
        "who waits first, then by distance, newest first"
    );
    // Both at one place: each segment once, both woken.
    media.seek(new, 0);
    all_missing(&mut media);
    assert_eq!(media.read(new), Read::NeedSegment { blob: id(0) });
    assert_eq!(media.read(old), Read::NeedSegment { blob: id(0) });
    assert_eq!(ids(&media.poll_wants().unwrap()), [id(0), id(1), id(2)]);
    assert_eq!(media.segment_arrived(&id(0)), [old, new]);
}

#[test]
fn the_window_follows_the_bit_rate() {
    let rate = |bytes_per_second| {
        let mut media = Media::new(MediaConfig {
            seconds: 10,
            ..MediaConfig::default()
        });
        let reader = media.open(file(1_000), Some(bytes_per_second));
        media.read(reader);
        all_missing(&mut media);
        media.poll_wants().unwrap().len()
    };
    assert_eq!(rate(1), 4);
    assert_eq!(rate(200), 20);
    assert_eq!(rate(1_000_000), 64);
    assert_eq!(rate(u64::MAX), 64);
}

#[test]
fn an_arrival_that_crosses_its_lookup_is_not_lost() {
    let mut media = Media::new(config(4));
    let reader = media.open(file(2), None);
    media.read(reader);
    let asked = media.poll_lookup().unwrap();
    media.segment_arrived(&id(0));
    for blob in asked {
        media.looked_up(&blob, false);
    }
    assert!(matches!(media.read(reader), Read::Ready { .. }));
    // Deleted meanwhile: the driver found out when it opened the blob.
    media.segment_lost(&id(0));
    assert_eq!(media.read(reader), Read::NeedSegment { blob: id(0) });
    assert_eq!(ids(&media.poll_wants().unwrap()), [id(0), id(1)]);
}

#[test]
fn a_plain_blob_is_a_file_of_one_segment() {
    let mut media = Media::new(MediaConfig::default());
    let reader = media.open(Arc::new(MediaFile::blob(id(1), 7)), None);
    media.read(reader);
    media.looked_up(&id(1), true);
    media.seek(reader, 5);
    assert_eq!(
        media.read(reader),
        Read::Ready {
            blob: id(1),
            offset: 5,
            len: 2
        }
    );
    let empty = media.open(Arc::new(MediaFile::blob(BlobId::EMPTY, 0)), None);
    assert_eq!(media.read(empty), Read::End);
    assert_eq!(media.position(empty), Some(0));
    assert_eq!(media.readers().count(), 2);
    assert!(media.poll_wants().is_none_or(|w| w.is_empty()));
}

#[test]
fn manifests_that_contradict_themselves_are_refused() {
    let manifest = |size, segment_size, segments: usize| Manifest {
        content_type: String::new(),
        size,
        segment_size,
        sha256: [0; 32],
        segments: (0..segments).map(id).collect(),
    };
    let open = |m: &Manifest| MediaFile::segmented(id(0), m);
    assert!(open(&manifest(250, 100, 3)).is_ok());
    assert!(open(&manifest(300, 100, 3)).is_ok());
    assert!(open(&manifest(301, 100, 3)).is_err());
    assert!(open(&manifest(200, 100, 3)).is_err());
    assert!(open(&manifest(0, 0, 0)).is_err());
    assert!(open(&manifest(u64::MAX, 1, 0)).is_err());
    assert!(open(&manifest(10, u32::MAX, 1)).is_err());
    let mut hollow = manifest(10, 100, 1);
    hollow.segments[0] = BlobId::EMPTY;
    assert!(open(&hollow).is_err());
}

/// A player opens a file, learns its size and goes where it was left: nothing is
/// wanted of the beginning.
#[test]
fn nothing_is_wanted_before_the_first_read() {
    let mut media = Media::new(config(4));
    let reader = media.open(file(10), None);
    assert_eq!((media.poll_lookup(), media.poll_wants()), (None, None));
    media.seek(reader, 700);
    assert_eq!((media.poll_lookup(), media.poll_wants()), (None, None));
    assert_eq!(media.read(reader), Read::Lookup { blob: id(7) });
    let mut asked = media.poll_lookup().unwrap();
    asked.sort_unstable();
    let mut expected = vec![id(7), id(8), id(9)];
    expected.sort_unstable();
    assert_eq!(asked, expected);
}

/// A request for a few bytes fetches the segments they stand in.
#[test]
fn the_window_ends_where_reading_does() {
    let mut media = Media::new(config(4));
    let reader = media.open(file(10), None);
    media.stop_at(reader, 350);
    media.seek(reader, 299);
    media.read(reader);
    all_missing(&mut media);
    assert_eq!(ids(&media.poll_wants().unwrap()), [id(2), id(3)]);
    media.seek(reader, 350);
    assert_eq!(ids(&media.poll_wants().unwrap()), [id(3)]);
    media.seek(reader, 400);
    assert_eq!(media.poll_wants(), Some(vec![]));
    media.stop_at(reader, u64::MAX);
    all_missing(&mut media);
    assert_eq!(media.poll_wants().unwrap().len(), 4);
    media.set_rate(reader, Some(1));
    all_missing(&mut media);
    assert_eq!(media.poll_wants(), None, "four is the least");
}

proptest! {
    /// Whatever readers do: the list names only missing blobs inside some
    /// window, each once, and a reader that is served in that order comes to the end.
    #[test]
    fn reading_ends(
        segments in 1usize..30,
        window in 1u32..6,
        here in proptest::collection::vec(any::<bool>(), 30),
        seeks in proptest::collection::vec(0u64..3_100, 0..4),
        steps in proptest::collection::vec(1u64..250, 1..20),
    ) {
        let file = file(segments);
        let mut store: BTreeSet<BlobId> = (0..segments).filter(|n| here[*n]).map(id).collect();
        let mut media = Media::new(config(window));
        let reader = media.open(file.clone(), None);
        media.read(reader);
        let mut seeks = seeks.into_iter();
        let mut steps = steps.into_iter().cycle();
        let mut wanted: Vec<(BlobId, WantSpec)> = Vec::new();
        let mut parked = false;
        for _ in 0..20_000 {
            while let Some(blobs) = media.poll_lookup() {
                for blob in blobs {
                    parked &= !media.looked_up(&blob, store.contains(&blob)).contains(&reader);
                }
            }
            if let Some(list) = media.poll_wants() {
                wanted = list;
                let mut unique: Vec<_> = ids(&wanted);
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), wanted.len());
                let position = media.position(reader).unwrap();
                let first = file.locate(position).map_or(segments, |(i, _)| i);
                for (blob, spec) in &wanted {
                    prop_assert!(!store.contains(blob));
                    prop_assert_eq!(spec.kind, BlobKind::Segment);
                    let at = (0..segments).find(|n| id(*n) == *blob).unwrap();
                    prop_assert!((first..first + window as usize).contains(&at));
                }
            }
            match media.read(reader) {
                Read::Ready { blob, offset, len } => {
                    prop_assert!(!parked && store.contains(&blob) && len > 0 && offset + len <= 100);
                    media.advance(reader, len.min(steps.next().unwrap()));
                    if let Some(to) = seeks.next() {
                        media.seek(reader, to);
                    }
                }
                Read::NeedSegment { blob } => {
                    parked = true;
                    if let Some(list) = media.poll_wants() {
                        wanted = list;
                    }
                    prop_assert_eq!(wanted.first().map(|(id, _)| *id), Some(blob));
                    let (next, _) = wanted.remove(0);
                    store.insert(next);
                    parked &= !media.segment_arrived(&next).contains(&reader);
                    prop_assert!(!parked);
                }
                Read::Lookup { blob } => prop_assert!(false, "not looked up: {blob}"),
                Read::End => return Ok(()),
                Read::Closed => prop_assert!(false),
            }
        }
        prop_assert!(false, "it never ends");
    }
}
