//! A peer that sends anything: no panic, and memory within the limits.
#![no_main]
use libfuzzer_sys::fuzz_target;
use studytime_muxrpc::{CallKind, Event, Limits, Mux, NO_ARGS};

fuzz_target!(|data: &[u8]| {
    let limits = Limits::default().with_json_body(4096).with_binary_body(4096).with_unpolled(64 << 10);
    let mut mux = Mux::new(limits);
    let _ = mux.call(CallKind::Duplex, &["a"], &NO_ARGS);
    let mut out = Vec::new();
    for piece in data.chunks(97) {
        if mux.handle_bytes(piece).is_err() {
            return;
        }
        while let Some(event) = mux.poll_event() {
            if let Event::Call { id, .. } = event {
                mux.refuse(id);
            }
        }
        out.clear();
        while mux.poll_transmit(&mut out, 4096) > 0 {}
    }
});
