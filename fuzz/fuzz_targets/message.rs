//! Any bytes: a verdict, never a panic; what verifies reads back the same.
#![no_main]
use libfuzzer_sys::fuzz_target;
use studytime_schema::Message;

fuzz_target!(|data: &[u8]| {
    if let Ok(message) = Message::verify(data, None) {
        let again = Message::verify(message.wire().as_bytes(), None).expect("our own form verifies");
        assert_eq!(again.id(), message.id());
    }
    if let Ok(message) = Message::from_log(data) {
        let again = Message::from_log(message.wire().as_bytes()).expect("our own form reads back");
        assert_eq!(again.id(), message.id());
    }
});
