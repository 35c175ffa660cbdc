//! Manifests and segments.
#![allow(clippy::unwrap_used, reason = "a test that fails may panic")]

use proptest::prelude::*;
use sha2::{Digest, Sha256};
use studytime_schema::{
    BlobId, MAX_BLOB_SIZE, MAX_SEGMENTS, Manifest, ManifestError, SEGMENT_SIZE, SegmentError,
    Segmenter, needs_manifest,
};

fn cut(bytes: &[u8], step: usize) -> (Vec<(BlobId, Vec<u8>)>, Manifest) {
    let mut segmenter = Segmenter::new();
    let mut kept = Vec::new();
    for part in bytes.chunks(step.max(1)) {
        kept.extend(segmenter.push(part).unwrap());
    }
    let (last, manifest) = segmenter.finish("video/mp4").unwrap();
    kept.extend(last);
    (kept, manifest)
}

fn manifest() -> Manifest {
    let bytes = vec![7; 2_500_000];
    cut(&bytes, 1_000_000).1
}

#[test]
fn five_mebibytes_are_the_border() {
    assert!(!needs_manifest(0));
    assert!(!needs_manifest(MAX_BLOB_SIZE - 1));
    assert!(needs_manifest(MAX_BLOB_SIZE));
}

#[test]
fn the_manifest_is_the_documented_json() {
    let manifest = manifest();
    let json = manifest.to_json();
    let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(value["type"], "studytime_manifest");
    assert_eq!(value["version"], 1);
    assert_eq!(value["content_type"], "video/mp4");
    assert_eq!(value["size"], 2_500_000);
    assert_eq!(value["segment_size"], 1_048_576);
    assert_eq!(value["segments"].as_array().unwrap().len(), 3);
    assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
    assert_eq!(manifest.segment_at(0), Some((0, 0)));
    assert_eq!(manifest.segment_at(1_048_576), Some((1, 0)));
    assert_eq!(manifest.segment_at(2_499_999), Some((2, 402_847)));
    assert_eq!(manifest.segment_at(2_500_000), None);
    assert_eq!(manifest.segment_len(0), Some(1_048_576));
    assert_eq!(manifest.segment_len(2), Some(402_848));
    assert_eq!(manifest.segment_len(3), None);
    assert_eq!(manifest.segment_start(usize::MAX), None);
}

#[test]
fn the_largest_manifest_is_still_a_blob() {
    let manifest = Manifest {
        content_type: "x".repeat(127),
        size: MAX_SEGMENTS as u64 * u64::from(SEGMENT_SIZE),
        segment_size: SEGMENT_SIZE,
        sha256: [0; 32],
        segments: vec![BlobId::from_bytes([1; 32]); MAX_SEGMENTS],
    };
    let json = manifest.to_json();
    assert!((json.len() as u64) < MAX_BLOB_SIZE);
    assert!(Manifest::from_json(&json).is_ok());
}

#[test]
fn what_does_not_fit_together_is_refused_in_words() {
    let good = String::from_utf8(manifest().to_json()).unwrap();
    let with = |from: &str, to: &str| {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good);
        Manifest::from_json(bad.as_bytes()).unwrap_err()
    };
    assert!(matches!(
        with("studytime_manifest", "post"),
        ManifestError::WrongType(_)
    ));
    assert!(matches!(
        with("\"version\":1", "\"version\":2"),
        ManifestError::Version(2)
    ));
    assert!(matches!(with("2500000", "0"), ManifestError::Empty));
    assert!(matches!(
        with("2500000", "9500000"),
        ManifestError::Count {
            expected: 10,
            listed: 3,
            ..
        }
    ));
    assert!(matches!(
        with("2500000", "2500000.5"),
        ManifestError::NotJson(_)
    ));
    assert!(matches!(
        with("2500000", "18446744073709551615"),
        ManifestError::TooManySegments(_)
    ));
    assert!(matches!(
        with("1048576", "0"),
        ManifestError::SegmentSize(0)
    ));
    assert!(matches!(
        with("1048576", "65535"),
        ManifestError::SegmentSize(_)
    ));
    assert!(matches!(
        with("1048576", "4194305"),
        ManifestError::SegmentSize(_)
    ));
    assert!(matches!(
        with("1048576", "99999999999"),
        ManifestError::SegmentSize(_)
    ));
    assert!(matches!(
        with("\"video/mp4\"", "\"\""),
        ManifestError::NotCanonical {
            field: "content_type"
        }
    ));
    assert!(matches!(
        with("\"sha256\":\"", "\"sha256\":\"A"),
        ManifestError::NotCanonical { field: "sha256" }
    ));
    assert!(matches!(with("\"&", "\"%"), ManifestError::NotJson(_)));
    assert!(matches!(
        with("\"segments\":[", "\"segments\":[null,"),
        ManifestError::NotJson(_)
    ));
    let first = manifest().segments[0].to_string();
    let empty = with(&first, &BlobId::EMPTY.to_string());
    assert!(matches!(empty, ManifestError::EmptySegment(0)));
    assert!(matches!(
        Manifest::from_json(&vec![b' '; MAX_BLOB_SIZE as usize]),
        Err(ManifestError::TooLarge { .. })
    ));
    assert!(
        with("2500000", "9500000")
            .to_string()
            .contains("9500000 bytes")
    );

    let mut many = manifest();
    many.segments = vec![BlobId::from_bytes([1; 32]); MAX_SEGMENTS + 1];
    assert!(matches!(
        Manifest::from_json(&many.to_json()),
        Err(ManifestError::TooManySegments(65_537))
    ));
}

#[test]
fn an_empty_file_and_odd_types() {
    assert_eq!(
        Segmenter::new().finish("x/y").unwrap_err(),
        SegmentError::Empty
    );
    let mut segmenter = Segmenter::new();
    segmenter.push(b"x").unwrap();
    let (_, manifest) = segmenter.finish("vidéo").unwrap();
    assert_eq!(manifest.content_type, "application/octet-stream");
    manifest.check().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn segments_join_to_the_file(
        size in prop_oneof![1usize..10, 1_048_570usize..1_048_580, 3_145_720usize..3_145_736],
        step in prop_oneof![Just(1_048_576usize), 4_000usize..70_000, Just(5_000_000usize)],
        seed: u8,
    ) {
        let bytes: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_mul(31).wrapping_add(seed)).collect();
        let (kept, manifest) = cut(&bytes, step);
        prop_assert_eq!(kept.iter().flat_map(|(_, b)| b.iter().copied()).collect::<Vec<_>>(), bytes.clone());
        prop_assert!(kept.iter().all(|(id, b)| BlobId::of(b) == *id));
        prop_assert_eq!(kept.iter().map(|(id, _)| *id).collect::<Vec<_>>(), manifest.segments.clone());
        let whole: [u8; 32] = Sha256::digest(&bytes).into();
        prop_assert_eq!(manifest.sha256, whole);
        manifest.check().unwrap();
        for (i, (_, b)) in kept.iter().enumerate() {
            prop_assert_eq!(manifest.segment_len(i), Some(b.len() as u64));
        }
        prop_assert_eq!(Manifest::from_json(&manifest.to_json()).unwrap(), manifest);
    }

    #[test]
    fn reading_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Manifest::from_json(&bytes);
    }
}
