//! Messages by rule and by mutation: ordinary ones, odd ones, and ones that are
//! wrong in one or two places, with signatures that fit the changed value.

mod fields;
mod rng;
mod text;

use crate::case::Case;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
pub(crate) use rng::Rng;
use studytime_schema::json::signed_form;
use studytime_schema::{Keypair, MAX_MESSAGE_UNITS, MessageId};
use text::{Taste, damage, key, member, space, string, value};

const SEEDS: u8 = 3;
const FILL: &str = "{FILL}";

/// An endless source of cases; the same seed gives the same ones.
pub(crate) struct Generator {
    rng: Rng,
    authors: Vec<String>,
}

impl Iterator for Generator {
    type Item = Case;

    fn next(&mut self) -> Option<Case> {
        Some(self.case())
    }
}

impl Generator {
    pub(crate) fn new(seed: u64) -> Self {
        let id = |n: u8| Keypair::from_seed(&[n; 32]).id().to_string();
        Self {
            rng: Rng::new(seed),
            authors: (1..=SEEDS).map(id).collect(),
        }
    }

    fn case(&mut self) -> Case {
        let taste = if self.rng.chance(25) {
            Taste::Plain
        } else {
            Taste::Odd
        };
        let wild = self.rng.chance(35);
        let seed = 1 + self.rng.below(usize::from(SEEDS)) as u8;
        let hmac = self.hmac(wild);
        let first = self.rng.chance(50);
        let most = self.rng.pick(&[5, 1000, 2_147_483_645]);
        let sequence = if first {
            1
        } else {
            2 + self.rng.below(most) as u64
        };
        let previous = MessageId::from_bytes(self.rng.bytes()).to_string();
        let mut state = (!first).then(|| (previous.clone(), sequence - 1));
        if wild && self.rng.chance(12) {
            let other = MessageId::from_bytes(self.rng.bytes()).to_string();
            let behind = sequence.saturating_sub(2).max(1);
            let states = [
                None,
                Some((other, sequence.saturating_sub(1).max(1))),
                Some((previous.clone(), 1)),
                Some((previous.clone(), behind)),
                Some((previous.clone(), sequence)),
            ];
            state = self.rng.pick(&states);
        }
        let mut text = self.message(taste, wild, seed, first, sequence, &previous);
        if self.rng.chance(10) {
            text = damage(&mut self.rng, &text);
        }
        // Signed under another key, or for another network.
        let signer = if wild && self.rng.chance(3) {
            1 + seed % SEEDS
        } else {
            seed
        };
        let sign_hmac = if wild && self.rng.chance(4) {
            self.hmac(true)
        } else {
            hmac.clone()
        };
        Case {
            text,
            seed: Some(signer),
            sign_hmac,
            hmac,
            state,
        }
    }

    /// The whole text, with a place for its signature.
    fn message(
        &mut self,
        taste: Taste,
        wild: bool,
        seed: u8,
        first: bool,
        sequence: u64,
        previous: &str,
    ) -> String {
        let author = self.authors[usize::from(seed) - 1].clone();
        let order = if self.rng.chance(80) {
            ["sequence", "author"]
        } else {
            ["author", "sequence"]
        };
        let mut fields = vec![("previous", self.previous(wild, first, previous))];
        for name in order {
            let value = match name {
                "author" => self.author(wild, &author),
                _ => self.sequence(wild, sequence),
            };
            fields.push((name, value));
        }
        fields.push(("timestamp", self.timestamp(taste, wild)));
        fields.push(("hash", self.hash(wild)));
        fields.push(("content", self.content(taste)));
        fields.push(("signature", self.signature(wild)));
        if wild {
            self.misplace(&mut fields);
        }
        let (odd, rng) = (taste == Taste::Odd, &mut self.rng);
        let members: Vec<String> = fields
            .into_iter()
            .map(|(name, value)| {
                let name = match odd && rng.chance(3) && !name.is_empty() {
                    true => format!("\\u{:04x}{}", u32::from(name.as_bytes()[0]), &name[1..]),
                    false => name.to_owned(),
                };
                let (a, b, c, d) = (
                    space(rng, taste),
                    space(rng, taste),
                    space(rng, taste),
                    space(rng, taste),
                );
                format!("{a}\"{name}\"{b}:{c}{value}{d}")
            })
            .collect();
        let (a, b) = (space(rng, taste), space(rng, taste));
        let text = format!("{a}{{{}}}{b}", members.join(","));
        self.filled(&text)
    }

    /// Fields in other places, missing, twice, or too many.
    fn misplace(&mut self, fields: &mut Vec<(&'static str, String)>) {
        let rng = &mut self.rng;
        if rng.chance(8) {
            let (a, b) = (rng.below(fields.len()), rng.below(fields.len()));
            fields.swap(a, b);
        }
        if rng.chance(4) {
            fields.remove(rng.below(fields.len()));
        }
        if rng.chance(5) {
            let name = rng.pick(&["extra", "0", "", "__proto__", "toJSON", "Previous", "7"]);
            fields.insert(rng.below(fields.len() + 1), (name, "1".to_owned()));
        }
        if rng.chance(8) {
            let (name, value) = rng.pick(fields);
            let value = rng.pick(&[value, "1".to_owned(), "null".to_owned(), "\"x\"".to_owned()]);
            fields.insert(rng.below(fields.len() + 1), (name, value));
        }
    }

    fn content(&mut self, taste: Taste) -> String {
        let odd = taste == Taste::Odd;
        if self.rng.chance(14) {
            return self.boxed(odd);
        }
        if odd && self.rng.chance(8) {
            let others = [
                "null",
                "[]",
                "[\"type\"]",
                "1",
                "true",
                "\"plain\"",
                "{}",
                "\"\"",
                "[{\"type\":\"test\"}]",
                "{\"type\":\"test\"}",
                "{\"type\":\"test\",\"type\":1}",
                "{\"a\":{\"type\":\"test\"}}",
            ];
            return self.rng.pick(&others).to_owned();
        }
        let rng = &mut self.rng;
        let mut members: Vec<String> = (0..rng.below(6)).map(|_| member(rng, taste, 3)).collect();
        if !(odd && rng.chance(5)) {
            let name = rng.pick(&["\"type\"", "\"type\"", "\"type\"", "\"\\u0074ype\""]);
            let place = rng.below(members.len() + 1);
            let type_name = type_name(rng, odd);
            members.insert(place, format!("{name}:{type_name}"));
        }
        if odd && rng.chance(10) {
            members.push(format!("\"type\":{}", type_name(rng, odd)));
        }
        if rng.chance(7) {
            let key = key(rng, taste);
            members.insert(rng.below(members.len() + 1), format!("{key}:\"{FILL}\""));
        }
        if rng.chance(3) {
            members.push(format!("\"deep\":{}", nested(rng, 70)));
        }
        if odd && rng.chance(2) {
            // Only the last value of a key counts, so this is never printed.
            members.insert(0, format!("\"gone\":{}", nested(rng, 3000)));
            members.push(format!("\"gone\":{}", string(rng, taste)));
        }
        if odd && rng.chance(2) {
            // Many keys, some of them twice, in an order of their own.
            members.extend(
                (0..rng.below(120))
                    .map(|i| format!("\"k{}\":{}", i * 7 % 101, value(rng, taste, 0))),
            );
        }
        format!("{{{}}}", members.join(","))
    }

    /// A content that is encrypted, or nearly looks so.
    fn boxed(&mut self, odd: bool) -> String {
        let rng = &mut self.rng;
        if rng.chance(10) {
            return format!("\"{FILL}.box\"");
        }
        let length = 10 + rng.below(40);
        let bytes: Vec<u8> = (0..length).map(|_| rng.next() as u8).collect();
        let base = STANDARD.encode(bytes);
        let bases = [
            base.as_str(),
            "",
            "AAAA",
            "AAA=",
            "AA==",
            "AAB=",
            "AB==",
            "A===",
            "AA=",
            "AAAAA",
            "AA AA",
            "AA\\nAA",
            "AA\\/A",
            "AAAA====",
            "-_-_",
            "AA+/",
            "\\u0041AAA",
            "AA==AAAA",
            "ÄAAA",
        ];
        let ends = [
            ".box",
            ".box2",
            ".boxfoo",
            ".bo",
            ".box\\n",
            ".box\\r",
            ".box\\u2028",
            ".box\u{2029}x",
            ".box\\\\n",
            ".boxé😀",
            ".box.box",
            "box",
            ".Box",
            ".box\\ud800",
            ".box\\u000b",
            ".box\\u0085",
            ".box \\\"",
            "",
            ".box\\\\\\n",
        ];
        match odd && rng.chance(70) {
            true => format!("\"{}{}\"", rng.pick(&bases), rng.pick(&ends)),
            false => format!("\"{base}.box\""),
        }
    }

    /// Puts so much into the place for it that the signed form ends around the
    /// longest length there is.
    fn filled(&mut self, text: &str) -> String {
        if !text.contains(FILL) {
            return text.to_owned();
        }
        let sample = text
            .replace(FILL, "")
            .replace("{SIG86}", &"A".repeat(86))
            .replace("{SIG}", &"A".repeat(88));
        let units = signed_form(&sample).map_or(0, |form| form.encode_utf16().count());
        let room = (MAX_MESSAGE_UNITS + self.rng.below(5)).saturating_sub(units + 2);
        if text.contains(&format!("{FILL}.box")) {
            // Base64 comes in fours; the end of the suffix is free.
            let base = "A".repeat(room / 4 * 4);
            let suffix = format!("{base}.box{}", "x".repeat(room % 4));
            return text.replace(&format!("{FILL}.box"), &suffix);
        }
        let (piece, units) = self.rng.pick(&[
            ("x", 1),
            ("é", 1),
            ("☃", 1),
            ("😀", 2),
            ("\\n", 2),
            ("\\u0007", 6),
            ("\\ud800", 6),
            ("\\/", 1),
            ("\\u00e9", 1),
            ("\\\"", 2),
            ("\\ud83d\\ude00", 2),
        ]);
        text.replace(
            FILL,
            &(piece.repeat(room / units) + &"x".repeat(room % units)),
        )
    }
}

fn nested(rng: &mut Rng, most: usize) -> String {
    let depth = rng.below(most);
    let (open, close) = rng.pick(&[
        ("[", "]"),
        ("{\"a\":", "}"),
        ("[{\"1\":", "}]"),
        ("[0,", "]"),
    ]);
    format!("{}1{}", open.repeat(depth), close.repeat(depth))
}

fn type_name(rng: &mut Rng, odd: bool) -> String {
    if !odd || rng.chance(60) {
        return rng
            .pick(&["\"test\"", "\"post\"", "\"studytime_course\""])
            .to_owned();
    }
    let long = |piece: &str, n: usize, rest: &str| format!("\"{}{rest}\"", piece.repeat(n));
    let forms = [
        long("t", 2, ""),
        long("t", 3, ""),
        long("t", 52, ""),
        long("t", 53, ""),
        long("é", 3, ""),
        long("é", 52, ""),
        long("😀", 1, ""),
        long("😀", 1, "a"),
        long("😀", 26, ""),
        long("😀", 26, "a"),
        long("\\n", 3, ""),
        long("\\u0001", 2, ""),
        long("\\ud800", 2, ""),
        long("\\ud800", 3, ""),
        long("\\ud83d\\ude00", 1, ""),
        long("\\u0074", 52, ""),
        long("\\u0074", 53, ""),
        long("\\\"", 52, ""),
        long("\\\\", 53, ""),
        "\"abc\\u0000\"".to_owned(),
        "\"\"".to_owned(),
        "1".to_owned(),
        "null".to_owned(),
        "true".to_owned(),
        "[\"abc\"]".to_owned(),
        "{\"a\":1}".to_owned(),
        "[1,2,3]".to_owned(),
        "{\"length\":4}".to_owned(),
    ];
    rng.pick(&forms)
}
