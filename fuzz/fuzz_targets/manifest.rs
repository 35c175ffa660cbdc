//! Any bytes as a manifest: refused, or consistent with itself.
#![no_main]
use libfuzzer_sys::fuzz_target;
use studytime_schema::Manifest;

fuzz_target!(|data: &[u8]| {
    if let Ok(manifest) = Manifest::from_json(data) {
        let sum: u64 = (0..manifest.segments.len()).filter_map(|i| manifest.segment_len(i)).sum();
        assert_eq!(sum, manifest.size);
        assert!(manifest.segment_at(manifest.size).is_none());
    }
});
