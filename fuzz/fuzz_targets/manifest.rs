//! Any bytes as a manifest: refused, or consistent with itself.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use studytime_blobs::media::MediaFile;
use studytime_fuzz::within;
use studytime_schema::{BlobId, Manifest};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made {
        content_type: String,
        size: u64,
        segment_size: u32,
        segments: Vec<u8>,
        /// As many as the size asks for.
        fitting: bool,
    },
}

fuzz_target!(|input: Input<'_>| {
    within(64 << 20, || match input {
        Input::Raw(bytes) => {
            if let Ok(manifest) = Manifest::from_json(bytes) {
                check(&manifest);
            }
        }
        Input::Made {
            content_type,
            size,
            segment_size,
            segments,
            fitting,
        } => {
            let mut segments: Vec<BlobId> = segments
                .iter()
                .map(|n| BlobId::from_bytes([*n; 32]))
                .collect();
            if let Some(count) = size
                .checked_div(segment_size.into())
                .filter(|n| fitting && *n < 5000)
            {
                segments.resize(count as usize + 1, BlobId::from_bytes([1; 32]));
            }
            let made = Manifest {
                content_type,
                size,
                segment_size,
                sha256: [5; 32],
                segments,
            };
            let read = Manifest::from_json(&made.to_json());
            match made.check() {
                Ok(()) => check(&read.expect("what is right reads back")),
                Err(_) => assert!(read.is_err(), "read, but not right: {made:?}"),
            }
        }
    });
});

fn check(manifest: &Manifest) {
    let count = manifest.segments.len();
    let sum: u64 = (0..count).filter_map(|i| manifest.segment_len(i)).sum();
    assert_eq!(sum, manifest.size);
    assert!(manifest.segment_len(count).is_none());
    assert!(manifest.segment_at(manifest.size).is_none());
    let last = manifest
        .segment_at(manifest.size - 1)
        .expect("its last byte");
    assert_eq!(last.0, count - 1);
    assert_eq!(
        manifest.segment_start(last.0).map(|start| start + last.1),
        Some(manifest.size - 1)
    );
    let json = manifest.to_json();
    let again = Manifest::from_json(&json).expect("what we write can be read");
    assert_eq!((&again, again.to_json()), (manifest, json));
    if let Ok(file) = MediaFile::segmented(BlobId::from_bytes([3; 32]), manifest) {
        assert_eq!(file.size(), manifest.size);
        assert_eq!(file.locate(manifest.size - 1), Some(last));
        assert_eq!(file.locate(manifest.size), None);
    }
}
