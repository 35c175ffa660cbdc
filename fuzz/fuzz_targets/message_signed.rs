//! Messages whose author has signed whatever they say, and own ones: the checks
//! that a wrong signature would hide.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use studytime_fuzz::{JsonText, envelope, envelope::SignedText, feeds::keys, within};
use studytime_schema::{MAX_MESSAGE_UNITS, Message, SignError, Tip, signed_units_of};

#[derive(Arbitrary, Debug)]
enum Input {
    /// Somebody else's message.
    Theirs(SignedText),
    /// A draft of our own, at this place in the feed.
    Ours(JsonText, Option<u32>, u64),
}

fuzz_target!(|input: Input| {
    within(64 << 20, || match input {
        Input::Theirs(SignedText(text)) => {
            let _ = envelope::judge(text.as_bytes());
        }
        Input::Ours(JsonText(text), place, time) => {
            let Ok(content) = serde_json::from_str::<Value>(&text) else {
                return;
            };
            let keys = keys(1);
            let before = place.map(|sequence| Tip {
                id: studytime_schema::MessageId::from_bytes([9; 32]),
                sequence: sequence.into(),
            });
            match Message::sign(&keys, before.as_ref(), time, &content, None) {
                Ok(message) => {
                    let read = envelope::judge(message.wire().as_bytes());
                    assert_eq!(read, Ok(message.clone()));
                    assert!(message.signed_units() <= signed_units_of(&content));
                }
                // The measure may say so early, but never too late.
                Err(SignError::TooLong { .. }) => {
                    assert!(signed_units_of(&content) > MAX_MESSAGE_UNITS);
                }
                // Whatever is signed is read before it is, so this means that
                // the writer lets through what the reader refuses.
                Err(SignError::Refused(why)) if place != Some(0) => panic!("{why}"),
                Err(_) => {}
            }
        }
    });
});
