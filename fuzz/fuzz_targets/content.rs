//! Any text as a content: read or refused, and what is written reads back.
#![no_main]
use libfuzzer_sys::fuzz_target;
use studytime_schema::content::Content;

fuzz_target!(|text: &str| {
    if let Ok(parsed) = Content::parse(text) {
        let written = parsed.content.to_value().to_string();
        let again = Content::parse(&written).expect("what we write can be read");
        assert_eq!(again.content, parsed.content);
    }
});
