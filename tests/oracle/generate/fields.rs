//! The fields around the content: as they should be, and every way in which
//! they can be wrong or only look so.

use super::Generator;
use super::text::{Taste, number};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

impl Generator {
    pub(super) fn hmac(&mut self, wild: bool) -> Option<String> {
        let key = STANDARD.encode([self.rng.pick(&[7, 42]); 32]);
        if wild && self.rng.chance(6) {
            let wrong = [
                String::new(),
                "AAAA".to_owned(),
                key[..43].to_owned(),
                format!("{key} "),
                format!("{key}="),
                STANDARD.encode([7; 31]),
                STANDARD.encode([7; 33]),
                "_-".to_owned() + &key[2..],
                key.replacen("c=", "d=", 1).replacen("o=", "p=", 1),
            ];
            return Some(self.rng.pick(&wrong));
        }
        self.rng.chance(33).then_some(key)
    }

    pub(super) fn previous(&mut self, wild: bool, first: bool, id: &str) -> String {
        let usual = if first {
            "null".to_owned()
        } else {
            format!("\"{id}\"")
        };
        if !wild || !self.rng.chance(25) {
            return usual;
        }
        let forms = [
            "null".to_owned(),
            "0".to_owned(),
            "\"\"".to_owned(),
            "false".to_owned(),
            "undefined".to_owned(),
            "[]".to_owned(),
            "{}".to_owned(),
            "\"null\"".to_owned(),
            format!("\"{id}\""),
            format!("[\"{id}\"]"),
            format!("[[\"{id}\"]]"),
            format!("[ [[\"{}\"]] ]", id.replace('%', "\\u0025")),
            format!("[\"{id}\",1]"),
            format!("[\"{id}\",null]"),
            format!("[[],\"{id}\"]"),
            format!("[null,\"{id}\"]"),
            format!("{{\"a\":\"{id}\"}}"),
            format!("{{\"toString\":\"{id}\"}}"),
            format!("\"{}\"", id.replace('%', "\\u0025").replace('/', "\\/")),
            format!("\"{id} \""),
            format!("\"{}\"", id.replace("=.", ".")),
            format!("\"{}\"", &id[1..]),
            format!("\"{}\"", id.replace("sha256", "ed25519")),
            format!("[\"[{id}]\"]"),
        ];
        self.rng.pick(&forms)
    }

    pub(super) fn sequence(&mut self, wild: bool, n: u64) -> String {
        if !wild || !self.rng.chance(20) {
            return n.to_string();
        }
        let forms = [
            format!("{n}.0"),
            format!("{n}e0"),
            format!("{n}0e-1"),
            format!("\"{n}\""),
            format!("[{n}]"),
            (n + 1).to_string(),
            n.saturating_sub(1).to_string(),
            "0".to_owned(),
            "-0".to_owned(),
            "-1".to_owned(),
            "1.5".to_owned(),
            "1".to_owned(),
            "null".to_owned(),
            "true".to_owned(),
            "2147483647".to_owned(),
            "2147483648".to_owned(),
            "4294967297".to_owned(),
            "9007199254740993".to_owned(),
            "1e400".to_owned(),
        ];
        self.rng.pick(&forms)
    }

    pub(super) fn author(&mut self, wild: bool, id: &str) -> String {
        if !wild || !self.rng.chance(12) {
            return format!("\"{id}\"");
        }
        let at = id.find("=.").unwrap_or_default();
        let forms = [
            id[1..].to_owned(),
            format!("%{}", &id[1..]),
            id.replace(".ed25519", ".sha256"),
            id.replace(".ed25519", "Xed25519"),
            id.replace(".ed25519", ".ed25519.ed25519"),
            id.replace('@', "\\u0040"),
            id.replace('/', "\\/"),
            id.replace("=.", "."),
            format!("{id} "),
            format!("{id}\\n"),
            // The last character says more than the last bits hold.
            format!(
                "{}{}{}",
                &id[..at - 1],
                self.rng.pick(&["B", "9", "/", "x"]),
                &id[at..]
            ),
            format!("@{}.ed25519", STANDARD.encode(self.rng.bytes::<32>())),
            format!("@{}.ed25519", STANDARD.encode(self.rng.bytes::<33>())),
            format!(
                "ssb:feed/classic/{}",
                id[1..at + 1].replace('+', "-").replace('/', "_")
            ),
        ];
        match self.rng.below(8) {
            0 => "null".to_owned(),
            1 => format!("[\"{id}\"]"),
            _ => format!("\"{}\"", self.rng.pick(&forms)),
        }
    }

    pub(super) fn timestamp(&mut self, taste: Taste, wild: bool) -> String {
        let usual = ["1700000000000", "1700000000001.5", "0", "-5", "1e3"];
        let odd = [
            "null",
            "\"1\"",
            "[]",
            "{}",
            "1e400",
            "-1e400",
            "true",
            "{\"type\":\"x\"}",
            "1.0",
            "-0",
            "1E12",
            "9007199254740993",
            "[1e400]",
            "\"\\ud800\"",
            "{\"2\":1,\"1\":[-0]}",
        ];
        match wild && self.rng.chance(25) {
            true if self.rng.chance(30) => number(&mut self.rng, taste),
            true => self.rng.pick(&odd).to_owned(),
            false => self.rng.pick(&usual).to_owned(),
        }
    }

    pub(super) fn hash(&mut self, wild: bool) -> String {
        let odd = [
            "\"sha512\"",
            "\"md5\"",
            "[\"sha256\"]",
            "\"sha\\u003256\"",
            "null",
            "\"SHA256\"",
            "\"sha256 \"",
        ];
        let odd_one = wild && self.rng.chance(6);
        if odd_one {
            self.rng.pick(&odd).to_owned()
        } else {
            "\"sha256\"".to_owned()
        }
    }

    pub(super) fn signature(&mut self, wild: bool) -> String {
        if !wild || !self.rng.chance(15) {
            return "\"{SIG}.sig.ed25519\"".to_owned();
        }
        // Behind the 86 characters that say something: other ends, which hold
        // up to two bytes more, or bits that no byte holds.
        let ends = [
            "", "=", "==", "===", "A=", "Q=", "B=", "AA", "Zz", "//", "=A", "A", "A==", "=\\u003d",
            "\\n=",
        ];
        let forms = [
            "\"{SIG}.sig.sha256\"".to_owned(),
            "\"{SIG}.sig.ed25519 \"".to_owned(),
            "\"{SIG}.sig.ed25519\\n\"".to_owned(),
            "\" {SIG}.sig.ed25519\"".to_owned(),
            "\"A{SIG}.sig.ed25519\"".to_owned(),
            "\"{SIG}\\u002esig.ed25519\"".to_owned(),
            "\"{SIG}.ed25519\"".to_owned(),
            "\"{SIG}\"".to_owned(),
            "[\"{SIG}.sig.ed25519\"]".to_owned(),
            "null".to_owned(),
            "\"\"".to_owned(),
            format!(
                "\"{}.sig.ed25519\"",
                STANDARD.encode(self.rng.bytes::<64>())
            ),
            format!(
                "\"{}.sig.ed25519\"",
                STANDARD.encode(self.rng.bytes::<65>())
            ),
            format!("\"{}.sig.ed25519\"", STANDARD.encode([0; 64])),
            format!("\"{}.sig.ed25519\"", STANDARD.encode([255; 64])),
        ];
        match self.rng.chance(60) {
            true => format!("\"{{SIG86}}{}.sig.ed25519\"", self.rng.pick(&ends)),
            false => self.rng.pick(&forms),
        }
    }
}
