//! Reading a text into a tree.

use super::{Node, Tree};
use crate::json::JsonError;
use crate::json::escape::{push_char, push_unit};
use std::ops::Range;

impl Tree {
    pub(super) fn read(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader {
            text,
            bytes: text.as_bytes(),
            at: 0,
            tree: Self {
                nodes: Vec::new(),
                pool: String::with_capacity(text.len()),
            },
            open: Vec::new(),
        };
        reader.run()?;
        Ok(reader.tree)
    }
}

/// A container that is being read.
enum Open {
    Array(usize, Vec<usize>),
    /// With the key whose value is being read.
    Object(usize, Vec<(Range<usize>, usize)>, Range<usize>),
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    tree: Tree,
    open: Vec<Open>,
}

impl Reader<'_> {
    fn fail<T>(&self, what: &'static str) -> Result<T, JsonError> {
        Err(JsonError { at: self.at, what })
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    fn node(&mut self, node: Node) -> usize {
        self.tree.nodes.push(node);
        self.tree.nodes.len() - 1
    }

    fn run(&mut self) -> Result<(), JsonError> {
        loop {
            self.space();
            let Some(mut done) = self.value()? else {
                continue;
            };
            // A value is complete: hand it to its container, and close what ends here.
            loop {
                self.space();
                let next = self.peek();
                match self.open.last_mut() {
                    None if next.is_none() => return Ok(()),
                    None => return self.fail("text after the end"),
                    Some(Open::Array(_, items)) => {
                        items.push(done);
                        match next {
                            Some(b',') => {
                                self.at += 1;
                                break;
                            }
                            Some(b']') => {}
                            _ => return self.fail("expected , or ]"),
                        }
                    }
                    Some(Open::Object(_, members, key)) => {
                        members.push((key.clone(), done));
                        match next {
                            Some(b',') => {
                                self.at += 1;
                                self.space();
                                let next_key = self.key()?;
                                if let Some(Open::Object(_, _, key)) = self.open.last_mut() {
                                    *key = next_key;
                                }
                                break;
                            }
                            Some(b'}') => {}
                            _ => return self.fail("expected , or }"),
                        }
                    }
                }
                self.at += 1;
                let (index, node) = match self.open.pop() {
                    Some(Open::Array(index, items)) => (index, Node::Array(items)),
                    Some(Open::Object(index, members, _)) => {
                        (index, Node::Object(self.tree.settle(members)))
                    }
                    None => return Ok(()),
                };
                if let Some(slot) = self.tree.nodes.get_mut(index) {
                    *slot = node;
                }
                done = index;
            }
        }
    }

    /// Reads one value; `None` when a container was opened and its first value comes next.
    fn value(&mut self) -> Result<Option<usize>, JsonError> {
        let node = match self.peek() {
            Some(b'{') => {
                self.at += 1;
                self.space();
                if self.peek() != Some(b'}') {
                    let index = self.node(Node::Object(Vec::new()));
                    let key = self.key()?;
                    self.open.push(Open::Object(index, Vec::new(), key));
                    return Ok(None);
                }
                self.at += 1;
                Node::Object(Vec::new())
            }
            Some(b'[') => {
                self.at += 1;
                self.space();
                if self.peek() != Some(b']') {
                    let index = self.node(Node::Array(Vec::new()));
                    self.open.push(Open::Array(index, Vec::new()));
                    return Ok(None);
                }
                self.at += 1;
                Node::Array(Vec::new())
            }
            Some(b'"') => Node::Scalar(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true")?,
            Some(b'f') => self.word("false")?,
            Some(b'n') => self.word("null")?,
            Some(_) => return self.fail("expected a value"),
            None => return self.fail("it ends too early"),
        };
        Ok(Some(self.node(node)))
    }

    fn word(&mut self, word: &'static str) -> Result<Node, JsonError> {
        if !self
            .bytes
            .get(self.at..)
            .unwrap_or_default()
            .starts_with(word.as_bytes())
        {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(self.scalar(word))
    }

    fn scalar(&mut self, spelling: &str) -> Node {
        let from = self.tree.pool.len();
        self.tree.pool.push_str(spelling);
        Node::Scalar(from..self.tree.pool.len())
    }

    fn key(&mut self) -> Result<Range<usize>, JsonError> {
        if self.peek() != Some(b'"') {
            return self.fail("expected a key in quotes");
        }
        let key = self.string()?;
        self.space();
        if self.peek() != Some(b':') {
            return self.fail("expected : after a key");
        }
        self.at += 1;
        Ok(key)
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return self.fail("expected a digit");
        }
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Result<Node, JsonError> {
        let from = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        let spelling = self.text.get(from..self.at).unwrap_or_default();
        let Ok(number) = spelling.parse::<f64>() else {
            return self.fail("expected a number");
        };
        if number.is_infinite() {
            return Ok(Node::Infinite(number < 0.0));
        }
        Ok(self.scalar(ryu_js::Buffer::new().format_finite(number)))
    }

    /// Reads a string into the pool, in canonical spelling with its quotes.
    fn string(&mut self) -> Result<Range<usize>, JsonError> {
        let from = self.tree.pool.len();
        self.tree.pool.push('"');
        self.at += 1;
        loop {
            let plain = self.at;
            while self
                .peek()
                .is_some_and(|b| b >= 0x20 && b != b'"' && b != b'\\')
            {
                self.at += 1;
            }
            self.tree
                .pool
                .push_str(self.text.get(plain..self.at).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    self.tree.pool.push('"');
                    return Ok(from..self.tree.pool.len());
                }
                Some(b'\\') => {
                    self.at += 1;
                    self.escape()?;
                }
                Some(_) => return self.fail("control character in a string"),
                None => return self.fail("it ends within a string"),
            }
        }
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<(), JsonError> {
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b't') => '\t',
            Some(b'n') => '\n',
            Some(b'f') => '\u{c}',
            Some(b'r') => '\r',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("unknown escape"),
        };
        self.at += 1;
        push_char(&mut self.tree.pool, c);
        Ok(())
    }

    /// Reads `uxxxx`, and a second escape when both are one character. A
    /// surrogate alone stays an escape.
    fn unicode_escape(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        let Some(first) = self.hex4(self.at) else {
            return self.fail("expected four hex digits");
        };
        self.at += 4;
        if let Some(c) = char::from_u32(u32::from(first)) {
            push_char(&mut self.tree.pool, c);
            return Ok(());
        }
        let paired = self.bytes.get(self.at..self.at + 2) == Some(b"\\u");
        if let Some(second) = self.hex4(self.at + 2).filter(|_| paired)
            && let Some(Ok(c)) = char::decode_utf16([first, second]).next()
        {
            self.at += 6;
            self.tree.pool.push(c);
        } else {
            push_unit(&mut self.tree.pool, first);
        }
        Ok(())
    }

    fn hex4(&self, at: usize) -> Option<u16> {
        let digits = self.text.get(at..at + 4)?;
        // from_str_radix would take a sign.
        let all_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| all_hex)
    }
}
