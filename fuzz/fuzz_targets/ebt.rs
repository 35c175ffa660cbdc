//! Any frame on an EBT stream, and any arguments of the calls around it.
#![no_main]
use libfuzzer_sys::fuzz_target;
use studytime_replicate::ebt::{Config, Ebt, PeerId, Role};
use studytime_replicate::wire::{HistoryRequest, check_replicate_args};
use studytime_schema::FeedId;

fuzz_target!(|data: &[u8]| {
    let _ = check_replicate_args(data);
    let _ = HistoryRequest::from_args(data);
    let peer = PeerId::new(FeedId::from_bytes([1; 32]), 1);
    let mut ebt = Ebt::new(Config::default());
    ebt.connect(peer, Role::Dialer, true, Default::default(), 0);
    for frame in data.split(|b| *b == b'\n') {
        let _ = ebt.handle_frame(peer, &bytes::Bytes::copy_from_slice(frame), 1);
        while ebt.poll_output().is_some() {}
    }
});
