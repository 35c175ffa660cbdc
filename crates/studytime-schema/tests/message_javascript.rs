//! Messages in which only JavaScript's own rules give the right answer: signed,
//! judged and hashed with the network's JavaScript modules.

use studytime_schema::{Message, MessageId, VerifyError, json};

struct Case {
    what: &'static str,
    /// All fields but the signature; `A` stands for the author, `P` for the predecessor.
    fields: &'static str,
    signature: &'static str,
    id: &'static str,
    /// Length of the signed form in UTF-16 units.
    units: usize,
}

const AUTHOR: &str = "@iojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=.ed25519";

impl Case {
    fn wire_with(&self, signature: &str) -> String {
        let previous = MessageId::from_bytes([3; 32]);
        let fields = self
            .fields
            .replace("\"A\"", &format!("\"{AUTHOR}\""))
            .replace("\"P\"", &format!("\"{previous}\""));
        format!("{{{fields},\"signature\":\"{signature}.sig.ed25519\"}}")
    }
}

#[test]
fn judged_as_javascript_judges() {
    for case in &CASES {
        let what = case.what;
        let wire = case.wire_with(case.signature);
        let message =
            Message::verify(wire.as_bytes(), None).unwrap_or_else(|e| panic!("{what}: {e}"));
        assert_eq!(message.id().to_string(), case.id, "{what}");
        assert_eq!(message.signed_units(), case.units, "{what}");
        assert!(message.timestamp().is_finite(), "{what}");

        // What is stored and sent is the same message to everybody.
        let again = Message::verify(message.wire().as_bytes(), None);
        assert_eq!(again.as_ref(), Ok(&message), "{what}");
        assert_eq!(
            Message::from_log(message.wire().as_bytes()).as_ref(),
            Ok(&message),
            "{what}"
        );

        // And the signed form as anybody else prints it.
        let signed = json::signed_form(&wire).unwrap();
        assert_eq!(signed.encode_utf16().count(), case.units, "{what}");
    }
}

/// 88 characters hold two bytes more than a signature, and nobody looks at
/// them: such a message is accepted, with an id of its own, and can be told
/// from the one its author wrote.
#[test]
fn a_longer_signature_is_told_from_the_plain_one() {
    for case in &CASES {
        let what = case.what;
        let plain = Message::verify(case.wire_with(case.signature).as_bytes(), None).unwrap();
        assert_eq!(plain.plain(), None, "{what}");
        for end in ["A=", "8=", "AA", "z/"] {
            let wire = case.wire_with(&case.signature.replace("==", end));
            let message = Message::verify(wire.as_bytes(), None).unwrap();
            assert_ne!(message.id(), plain.id(), "{what}");
            assert_eq!(message.plain().as_ref(), Some(&plain), "{what}");
        }
        // Bits that no byte holds, and other lengths.
        for end in ["B=", "=", "", "A==", "AA=", "AAAA", "=="] {
            let signature = case.signature.replace("==", end) + if end == "==" { "=" } else { "" };
            let wire = case.wire_with(&signature);
            assert_eq!(
                Message::verify(wire.as_bytes(), None).unwrap_err(),
                VerifyError::SignatureForm,
                "{what} {end}"
            );
        }
    }
}

const CASES: [Case; 13] = [
    Case {
        what: "author before sequence",
        fields: r#""previous":null,"author":"A","sequence":1,"timestamp":1,"hash":"sha256","content":{"type":"test"}"#,
        signature: "1qm+IYv/XmFl93VKpwc8FhaWaSzYWtaCy+BO7nr5scRVjcw21zgvp4/bC/6yCaJ5dzELEvPFtsR0PSkDwHPlBA==",
        id: "%MakpZDOCXinjvBnq3rJK2x4MTMIEbDp/EX2lk+QYaS4=.sha256",
        units: 304,
    },
    Case {
        what: "the predecessor in an array",
        fields: r#""previous":["P"],"sequence":2,"author":"A","timestamp":1,"hash":"sha256","content":{"type":"test"}"#,
        signature: "VhD6FySrWREYMPu/finMJQmBq3HMU3A7tnTyTZie8FMQmF7+F2fpX4XARC7NfJoREj5IY+o/2Z6pK3RidfkYBQ==",
        id: "%15yjabTly/6dNFriMEfvV75o0b+o/fHH5rpN6WnVcP4=.sha256",
        units: 364,
    },
    Case {
        what: "the predecessor in two arrays",
        fields: r#""previous":[["P"]],"sequence":2,"author":"A","timestamp":1,"hash":"sha256","content":{"type":"test"}"#,
        signature: "CTmDZaLtdJGMBVQQs2EZ1K2jnXU8NYl+lOPot7l7KzWkFXCmKH8RwFasOXtPCgnVsqCm+T8SHtcvXoyI0u2ADQ==",
        id: "%Vd+d2qTqs/uotI1HlH0OHk2ix0sovM2Miab4fYrKzes=.sha256",
        units: 378,
    },
    Case {
        what: "a first timestamp beyond doubles",
        fields: r#""previous":null,"sequence":1,"author":"A","timestamp":-1e400,"hash":"sha256","content":{"type":"test","n":1e400}"#,
        signature: "yg/T56XJasXzWwRUr8nJP7ss9KDZkzlJT/S461LaZjPKvgQWWCRq978q6iktmyqkXDLGtNwt1dKGpTYBm0RMBw==",
        id: "%3XnHLKzWjGlJFpvtFjP5lVI3BTyX1K0Xtjmz3rL6fGI=.sha256",
        units: 322,
    },
    Case {
        what: "no number as later timestamp",
        fields: r#""previous":"P","sequence":2,"author":"A","timestamp":{"at":[null]},"hash":"sha256","content":{"type":"test"}"#,
        signature: "51d9Vvvpyr3FH0wtqxAEgtk5oBxKd2caEdTS+MxExDd21f8+1CpdNcrL7PPuS5zgHt5HHsg6M95eScgP64pwCA==",
        id: "%ips2AGIk0w03Ajf+1K4aULU/PkppGv31a4wiMlmc9n8=.sha256",
        units: 387,
    },
    Case {
        what: "a negative fraction of a timestamp",
        fields: r#""previous":"P","sequence":2147483647,"author":"A","timestamp":-0.50,"hash":"sha256","content":{"type":"test"}"#,
        signature: "Yzt/g4P5HK9GZM0KXg9YCspjk8e8+HH4lmtJc/fsIEDw0Xcjer4ukm8FWfwwSlnLYco2IgG2Xo3rqoxt29x/Aw==",
        id: "%m3+jTiE3LdKzbX2+6FNvB4ulMTQD8+xYcMJi9/SpFYE=.sha256",
        units: 366,
    },
    Case {
        what: "an unknown kind of box",
        fields: r#""previous":null,"sequence":1,"author":"A","timestamp":1,"hash":"sha256","content":"AAAA.boxfoo\t\"é""#,
        signature: "uGUL5eayi5+OgtMkTyPzeGenBKsOeKAklY2NnGQ6vffsv6ZwE9A5rqG+axGsC9FTl29qBver6pMbcOl4jeRDAA==",
        id: "%qPSD1TEiEDropiEI/KCJW6/LTwZjvFnxJQQlY+iVEmo=.sha256",
        units: 298,
    },
    Case {
        what: "an empty box",
        fields: r#""previous":null,"sequence":1,"author":"A","timestamp":1,"hash":"sha256","content":".box""#,
        signature: "0Mq0sAT3phQI7LMJmkwDvvK1M7LGp+cr/NeqCRi7n0/KpCe5iJNs8BFpY5x/Z8KlzZmitbUAv/PfZh30rqERAQ==",
        id: "%d9jPvn7Cg3fDrRXbdUSCjemY+OnIs8fXwBfsQDl/gqU=.sha256",
        units: 286,
    },
    Case {
        what: "surrogates alone, in keys and in the type",
        fields: r#""previous":null,"sequence":1,"author":"A","timestamp":1,"hash":"sha256","content":{"\uD800":"\ude00\ud83d","type":"\ud83d\uDE00\uD83D"}"#,
        signature: "KvO1nOfV+80jZwlmr8XgxvF0e8SsFLL6bg9HIctODJNxCetsq9BZIeKRxqTSG2HIqASzNiDvTMXkbI/35tdDAg==",
        id: "%fmle3PnRsbojzmGmi4Jr0D7qoFHQovOnH+qM0+H5wqo=.sha256",
        units: 338,
    },
    Case {
        what: "integer-like keys at every depth",
        fields: r#""previous":null,"sequence":1,"author":"A","timestamp":1,"hash":"sha256","content":{"type":"test","10":[{"b":0,"1":1,"01":2,"4294967295":3,"4294967294":4}],"9":{}}"#,
        signature: "3TkP+0yGyQlwjcvGjgZ6zWi9awCD2U+iDBlGC6iWKjhFlS+TakOeVOcrSidgti2Z8ZMEZnNrYZMZG9w0gYOWCQ==",
        id: "%oMCq/wqBlw0YjYZQdCHN4I2iqHfGhMnLFUb1Pjxu+rM=.sha256",
        units: 450,
    },
    Case {
        what: "repeated keys",
        fields: r#""previous":0,"sequence":1,"author":"A","timestamp":1,"hash":"sha256","content":{"type":"x","a":{"b":1},"type":"test","a":2},"previous":null"#,
        signature: "neXu5Iw6AFT1/PyfWVV8a2TnrMNle5PWkt5mNIdGc4067oiCIMAvoLVHLgdTgcmdw2MJTXoLnzq0LP+2WE1rBg==",
        id: "%VquMOG9AvJ3GYOPhGYyMliaw6Q3YTFL7qfy6OQ4Wsuk=.sha256",
        units: 316,
    },
    Case {
        what: "every escape and letter above ASCII",
        fields: "\"previous\":null,\"sequence\":1,\"author\":\"A\",\"timestamp\":1,\"hash\":\"sha256\",\"content\":{\"type\":\"test\",\"t\":\"\\u0000\\u001F\\u007f\\/\\b\\f\\u000b é中😀\\uD83D\\uDE00\u{2028}\"}",
        signature: "uvP7S7f5DfBDjt7GGIu7JMD7ZEHqjLk59PBvM94XhL81MwvFLmpUOjJ7tTlGdfogo4Dsw5RjwGn/T8XpCvBAAQ==",
        id: "%hSen6DabM/viOQfYmyCaYdtDoZtwyO+ErvfE2jcN5qA=.sha256",
        units: 349,
    },
    Case {
        what: "space wherever it may stand",
        fields: "\n\"previous\" : null ,\t\"sequence\":\r1,\"author\":\"A\",\"timestamp\":1,\"hash\":\"sha256\",\"content\":{ \"type\" : \"test\" , \"a\" : [ ] , \"o\" : { } , \"l\" : [ 1 , 2 ] } ",
        signature: "vkC/BRgvqmvReKFZGHToyWmWG6aMmRj3TjrmFugEJLaa6SPm+OusWabcQw0dxH9wskxsJesukSxe7VEA+4HXBQ==",
        id: "%jaTuv+1Qatr3Ty1TE7e8cSkKQAsUW4XzJ1U2ieKOxj0=.sha256",
        units: 365,
    },
];
