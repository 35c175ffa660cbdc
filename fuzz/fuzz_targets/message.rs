//! Any bytes as a message: a verdict, the same by every way of asking.
#![no_main]
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    studytime_fuzz::within(32 << 20, || {
        let _ = studytime_fuzz::envelope::judge(data);
    });
});
