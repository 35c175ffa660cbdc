//! JSON text in every spelling that a sender can choose.

use super::rng::Rng;

/// How unusual a text is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taste {
    /// As programs write it.
    Plain,
    /// Other spellings of the same values, and values that are spelled in many ways.
    Odd,
}

pub(super) fn space(rng: &mut Rng, taste: Taste) -> &'static str {
    match taste {
        Taste::Odd if rng.chance(25) => rng.pick(&[" ", "\n", "\t", "\r", "  \n "]),
        _ => "",
    }
}

fn escape(unit: usize, upper: bool) -> String {
    match upper {
        true => format!("\\u{unit:04X}"),
        false => format!("\\u{unit:04x}"),
    }
}

/// A string with its quotes.
pub(super) fn string(rng: &mut Rng, taste: Taste) -> String {
    let kinds = if taste == Taste::Odd { 14 } else { 7 };
    let mut out = String::from("\"");
    for _ in 0..rng.below(6) {
        let upper = rng.chance(50);
        let piece = match rng.below(kinds) {
            0..=3 => rng
                .pick(&[
                    "abc",
                    "hello world",
                    "x",
                    "Z9",
                    "/",
                    "type",
                    ".box",
                    "\u{7f}",
                    "'",
                ])
                .to_owned(),
            4 => rng
                .pick(&[
                    "é", "☃", "😀", "\u{2028}", "\u{2029}", "中", "\u{ffff}", "\u{feff}", "\u{85}",
                ])
                .to_owned(),
            5 => rng
                .pick(&["\\\"", "\\\\", "\\n", "\\t", "\\r", "\\b", "\\f"])
                .to_owned(),
            6 => "q".to_owned(),
            7 => "\\/".to_owned(),
            8 => escape(rng.below(0x20), upper),
            9 => escape(rng.below(0x1_0000), upper),
            10 => escape(0xd800 + rng.below(0x800), upper),
            11 => {
                escape(0xd800 + rng.below(0x400), upper)
                    + &escape(0xdc00 + rng.below(0x400), !upper)
            }
            12 => {
                let after = rng.pick(&["a", "\\n", "\\u0041", "\\ud800", "😀", "\\\\udc00"]);
                escape(0xd800 + rng.below(0x800), upper) + after
            }
            _ => escape(0x20 + rng.below(0x60), upper),
        };
        out.push_str(&piece);
    }
    out.push('"');
    out
}

pub(super) fn number(rng: &mut Rng, taste: Taste) -> String {
    const SPELLINGS: [&str; 34] = [
        "1.0",
        "1e5",
        "1E5",
        "-0",
        "-0.0",
        "0.10",
        "9007199254740993",
        "1e400",
        "-1e400",
        "1e21",
        "1e-7",
        "0.000001",
        "123456789012345678901234567890",
        "5e-324",
        "4.9e-324",
        "2.5e-324",
        "2.4e-324",
        "1.7976931348623159e308",
        "1.7976931348623158e308",
        "0.1",
        "0.30000000000000004",
        "100000000000000000000",
        "1e20",
        "999999999999999",
        "1000000000000000",
        "9999999999999999",
        "1e0",
        "12e-1",
        "-1.5E+3",
        "0e999999999",
        "9007199254740992.5",
        "4503599627370496.5",
        "1e-999999999",
        "9.5367431640625e-7",
    ];
    let whole = |rng: &mut Rng| (rng.below(2001) as i64 - 1000).to_string();
    if taste == Taste::Plain {
        return whole(rng);
    }
    match rng.below(10) {
        0..=3 => whole(rng),
        4..=6 => rng.pick(&SPELLINGS).to_owned(),
        // Any double, by its bits.
        7 => {
            let n = f64::from_bits(rng.next());
            if n.is_finite() {
                format!("{n:e}")
            } else {
                "0".to_owned()
            }
        }
        8 => format!(
            "{}{}.{}e{}",
            rng.pick(&["", "-"]),
            rng.below(1_000_000_000),
            rng.next(),
            rng.below(660) as i64 - 330
        ),
        // Digits beyond any double, around the middle between two of them.
        _ => {
            let digits = 20 + rng.below(800);
            let middle = "9007199254740993".to_owned() + "." + &"0".repeat(digits);
            middle + rng.pick(&["", "1", "e3", "0001E-2"])
        }
    }
}

pub(super) fn key(rng: &mut Rng, taste: Taste) -> String {
    const ODD: [&str; 27] = [
        "a",
        "b",
        "\\u0061",
        "0",
        "1",
        "10",
        "2",
        "01",
        "-1",
        "4294967294",
        "4294967295",
        "4294967296",
        "9007199254740991",
        "9007199254740993",
        "__proto__",
        "constructor",
        "toString",
        "length",
        "toJSON",
        "",
        "type",
        "1.5",
        "\\u0031",
        "\\ud800",
        "$serde_json::private::Number",
        "1e3",
        "valueOf",
    ];
    match taste {
        Taste::Plain => format!(
            "\"{}\"",
            rng.pick(&["a", "b", "text", "root", "é", "n", "c1"])
        ),
        Taste::Odd if rng.chance(10) => string(rng, taste),
        Taste::Odd => format!("\"{}\"", rng.pick(&ODD)),
    }
}

/// Any value, nested up to `depth` more levels.
pub(super) fn value(rng: &mut Rng, taste: Taste, depth: usize) -> String {
    match rng.below(if depth > 0 { 9 } else { 6 }) {
        0 | 1 => string(rng, taste),
        2 | 3 => number(rng, taste),
        4 => rng.pick(&["true", "false", "null"]).to_owned(),
        5 => rng.pick(&["{}", "[]", "{ }", "[\n]"]).to_owned(),
        6 => {
            let items: Vec<String> = (0..=rng.below(4))
                .map(|_| {
                    let (a, b) = (space(rng, taste), space(rng, taste));
                    format!("{a}{}{b}", value(rng, taste, depth - 1))
                })
                .collect();
            format!("[{}]", items.join(","))
        }
        _ => {
            let members: Vec<String> = (0..=rng.below(5))
                .map(|_| member(rng, taste, depth - 1))
                .collect();
            format!("{{{}}}", members.join(","))
        }
    }
}

/// A key, a colon, a value.
pub(super) fn member(rng: &mut Rng, taste: Taste, depth: usize) -> String {
    let (a, b, c) = (space(rng, taste), space(rng, taste), space(rng, taste));
    let key = key(rng, taste);
    format!("{a}{key}{b}:{c}{}", value(rng, taste, depth))
}

/// One or two changes anywhere: a character more, less or another; a piece
/// twice, or gone, or elsewhere.
pub(super) fn damage(rng: &mut Rng, text: &str) -> String {
    const BITS: [&str; 24] = [
        "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "1", ".", "e", "-", " ", "\n", "\u{0}", "a",
        "B", "é", "\u{feff}", "\u{a0}", "\u{2028}", "\\u0022", "null",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=rng.below(2) {
        let at = rng.below(chars.len().max(1));
        let to = (at + 1 + rng.below(12)).min(chars.len());
        let bit: Vec<char> = rng.pick(&BITS).chars().collect();
        match rng.below(6) {
            0 if at < chars.len() => {
                chars.remove(at);
            }
            1 if at < chars.len() => {
                chars.splice(at..=at, bit);
            }
            2 => {
                let piece: Vec<char> = chars[at.min(to)..to].to_vec();
                chars.splice(at..at, piece);
            }
            3 => {
                chars.drain(at.min(to)..to);
            }
            4 => {
                let piece: Vec<char> = chars.drain(at.min(to)..to).collect();
                let there = rng.below(chars.len() + 1);
                chars.splice(there..there, piece);
            }
            _ => {
                chars.splice(at..at, bit);
            }
        }
    }
    chars.into_iter().collect()
}
