//! The other road: reads a text into an ordered tree, as JavaScript does, and
//! prints the tree.
//!
//! Nothing here recurses, neither reading nor printing nor dropping: the nodes
//! lie in one list, and open containers on a stack of their own.

use super::escape::{array_index, push_char, push_unit};
use super::{FormError, Forms, JsonError, MAX_MEMBERS, Member, Style};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Both forms of a text, with its outline.
pub(super) fn forms(text: &str, max_bytes: usize) -> Result<Forms<'static>, FormError> {
    let tree = Tree::read(text)?;
    let mut compact = Printer::new(&tree, Style::Compact, max_bytes);
    compact.noting = true;
    compact.print()?;
    let (compact, members) = (compact.out, compact.members);
    let mut signed = Printer::new(&tree, Style::Signed, max_bytes);
    signed.print()?;
    Ok(Forms { compact: Cow::Owned(compact), signed: signed.out, members })
}

/// The text in the given layout.
pub(super) fn format(text: &str, style: Style, max_bytes: usize) -> Result<String, FormError> {
    let tree = Tree::read(text)?;
    let mut printer = Printer::new(&tree, style, max_bytes);
    printer.print()?;
    Ok(printer.out)
}

#[derive(Debug)]
enum Node {
    /// A string with its quotes, a number or a word, in canonical spelling, in the pool.
    Scalar(Range<usize>),
    /// A number too large for a double; `true` when negative. JavaScript
    /// prints `null`.
    Infinite(bool),
    Array(Vec<usize>),
    /// Key (in canonical spelling with its quotes, in the pool) and value.
    Object(Vec<(Range<usize>, usize)>),
}

#[derive(Debug)]
struct Tree {
    nodes: Vec<Node>,
    /// The canonical spellings of all keys and scalars.
    pool: String,
}

impl Tree {
    fn read(text: &str) -> Result<Self, JsonError> {
        let mut reader = Reader {
            text,
            bytes: text.as_bytes(),
            at: 0,
            tree: Self { nodes: Vec::new(), pool: String::with_capacity(text.len()) },
            open: Vec::new(),
        };
        reader.run()?;
        Ok(reader.tree)
    }

    /// Gives the members their JavaScript order: array indices first, ascending,
    /// then the others by first appearance; the last value of a repeated key counts.
    fn settle(&self, members: Vec<(Range<usize>, usize)>) -> Vec<(Range<usize>, usize)> {
        let mut place: BTreeMap<&str, usize> = BTreeMap::new();
        let mut indices: BTreeMap<u32, (Range<usize>, usize)> = BTreeMap::new();
        let mut others: Vec<(Range<usize>, usize)> = Vec::with_capacity(members.len());
        for (key, value) in members {
            let spelling = self.pool.get(key.clone()).unwrap_or_default();
            if let Some(index) = array_index(spelling.trim_matches('"')) {
                indices.insert(index, (key, value));
            } else if let Some(other) = place.get(spelling).and_then(|&at| others.get_mut(at)) {
                other.1 = value;
            } else {
                place.insert(spelling, others.len());
                others.push((key, value));
            }
        }
        indices.into_values().chain(others).collect()
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
        if !self.bytes.get(self.at..).unwrap_or_default().starts_with(word.as_bytes()) {
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
        if number == 0.0 {
            return Ok(self.scalar("0")); // -0 too
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
            while self.peek().is_some_and(|b| b >= 0x20 && b != b'"' && b != b'\\') {
                self.at += 1;
            }
            self.tree.pool.push_str(self.text.get(plain..self.at).unwrap_or_default());
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

struct Printer<'a> {
    tree: &'a Tree,
    style: Style,
    out: String,
    max_bytes: usize,
    /// Open containers, each with the number of its next child.
    open: Vec<(usize, usize)>,
    noting: bool,
    members: Vec<Member>,
}

impl<'a> Printer<'a> {
    fn new(tree: &'a Tree, style: Style, max_bytes: usize) -> Self {
        Self {
            tree,
            style,
            out: String::new(),
            max_bytes,
            open: Vec::new(),
            noting: false,
            members: Vec::new(),
        }
    }

    fn new_line(&mut self) -> Result<(), FormError> {
        if self.style == Style::Signed {
            self.out.push('\n');
            for _ in 0..self.open.len() {
                self.out.push_str("  ");
            }
        }
        // Checked at every line, so that deep nesting cannot grow the text
        // with the square of its depth.
        if self.out.len() > self.max_bytes {
            return Err(FormError::TooLong);
        }
        Ok(())
    }

    fn print(&mut self) -> Result<(), FormError> {
        self.value(0)?;
        while let Some(&mut (index, ref mut next)) = self.open.last_mut() {
            let child = *next;
            *next += 1;
            let tree = self.tree;
            match tree.nodes.get(index) {
                Some(Node::Array(items)) => match items.get(child) {
                    Some(&item) => {
                        self.separate(child)?;
                        self.value(item)?;
                    }
                    None => self.close(']')?,
                },
                Some(Node::Object(members)) => match members.get(child) {
                    Some((key, value)) => {
                        self.note_end();
                        self.separate(child)?;
                        let from = self.out.len();
                        let key = tree.pool.get(key.clone()).unwrap_or_default();
                        self.out.push_str(key);
                        let to = self.out.len();
                        self.out.push_str(if self.style == Style::Signed { ": " } else { ":" });
                        self.note_key(key, from + 1..to - 1);
                        self.value(*value)?;
                    }
                    None => {
                        self.note_end();
                        self.close('}')?;
                    }
                },
                _ => return Ok(()), // only containers are opened
            }
        }
        if self.out.len() > self.max_bytes {
            return Err(FormError::TooLong);
        }
        Ok(())
    }

    fn separate(&mut self, child: usize) -> Result<(), FormError> {
        if child > 0 {
            self.out.push(',');
        }
        self.new_line()
    }

    fn close(&mut self, bracket: char) -> Result<(), FormError> {
        self.open.pop();
        self.new_line()?;
        self.out.push(bracket);
        Ok(())
    }

    fn value(&mut self, index: usize) -> Result<(), FormError> {
        match self.tree.nodes.get(index) {
            Some(Node::Scalar(range)) => {
                self.out.push_str(self.tree.pool.get(range.clone()).unwrap_or_default());
            }
            Some(Node::Infinite(negative)) => {
                // `null` in every form but one: a message's own timestamp is
                // asked whether it is a number, so its compact form has to
                // stay one to be accepted again.
                let own = self.noting && self.open.len() == 1;
                self.out.push_str(match (own, negative) {
                    (false, _) => "null",
                    (true, false) => "1e999",
                    (true, true) => "-1e999",
                });
            }
            Some(Node::Array(items)) if items.is_empty() => self.out.push_str("[]"),
            Some(Node::Object(members)) if members.is_empty() => self.out.push_str("{}"),
            Some(Node::Array(_)) => {
                self.out.push('[');
                self.open.push((index, 0));
            }
            Some(Node::Object(_)) => {
                self.out.push('{');
                self.open.push((index, 0));
            }
            None => {}
        }
        Ok(())
    }

    /// Notes a member of the outermost object, or its `type`.
    fn note_key(&mut self, key: &str, inside: Range<usize>) {
        let at = self.out.len();
        if !self.noting || !self.outermost_is_object() {
            return;
        }
        if self.open.len() == 1 && self.members.len() < MAX_MEMBERS {
            self.members.push(Member { key: inside, value: at..at, type_value: None });
        } else if self.open.len() == 2
            && key == "\"type\""
            && let Some(member) = self.members.last_mut()
        {
            member.type_value = Some(at..at);
        }
    }

    /// Notes that the value before this place has ended.
    fn note_end(&mut self) {
        let at = self.out.len();
        if !self.noting || !self.outermost_is_object() {
            return;
        }
        let depth = self.open.len();
        if let Some(member) = self.members.last_mut() {
            if depth == 1 {
                member.value.end = at;
            } else if depth == 2
                && let Some(range) = &mut member.type_value
                && range.start == range.end
            {
                range.end = at;
            }
        }
    }

    fn outermost_is_object(&self) -> bool {
        matches!(self.tree.nodes.first(), Some(Node::Object(_)))
    }
}
