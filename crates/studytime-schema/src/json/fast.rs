//! The one-pass road: copies an ordinary text into another layout as it reads.
//!
//! It checks the whole grammar itself and *declines* (`None`) whatever it would
//! have to respell or reorder, and whatever is wrong; [`tree`](super::tree)
//! then decides. So everything it accepts is spelled canonically already, and
//! only the space between tokens changes.
//!
//! Declined: escapes other than `\" \\ \b \t \n \f \r`; numbers that are not
//! plain integers of at most 15 digits; keys that begin with a digit; repeated
//! keys; objects of very many keys; deep nesting; and, for messages, any space
//! outside strings.

use super::{Forms, MAX_MEMBERS, Member, Style};
use std::borrow::Cow;

/// Deeper texts take the other road. (A message of allowed size nests less than 64 levels.)
const MAX_DEPTH: usize = 64;
/// Keys of one object are compared one by one; beyond this many that is slower
/// than the other road.
const MAX_KEYS: usize = 48;
/// Up to this many digits every integer prints as it is written.
const MAX_DIGITS: usize = 15;
const SPACES: &str = match std::str::from_utf8(&[b' '; 2 * MAX_DEPTH]) {
    Ok(spaces) => spaces,
    Err(_) => "",
};

/// Both forms of a text that is compact already, with its outline.
pub(super) fn forms(text: &str, max_bytes: usize) -> Option<Forms<'_>> {
    let mut run = Run::new(text, Style::Signed, max_bytes);
    run.noting = true;
    run.go()?;
    Some(Forms {
        compact: Cow::Borrowed(text),
        signed: run.out,
        members: run.members,
    })
}

/// The text in the given layout.
pub(super) fn format(text: &str, style: Style, max_bytes: usize) -> Option<String> {
    let mut run = Run::new(text, style, max_bytes);
    run.go()?;
    Some(run.out)
}

struct Run<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    style: Style,
    out: String,
    max_bytes: usize,
    /// For every open container: whether it is an object, and where its keys
    /// begin in `keys`.
    open: Vec<(bool, usize)>,
    keys: Vec<&'a str>,
    /// Note the outline, and decline spaces.
    noting: bool,
    members: Vec<Member>,
    /// Where the value of `type` began, while reading it in a member of the outermost object.
    type_from: Option<usize>,
}

impl<'a> Run<'a> {
    fn new(text: &'a str, style: Style, max_bytes: usize) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            style,
            // A lesson's signed form is about a sixth longer than its compact one.
            out: String::with_capacity(text.len() + text.len() / 4 + 64),
            max_bytes,
            open: Vec::with_capacity(8),
            keys: Vec::with_capacity(16),
            noting: false,
            members: Vec::with_capacity(MAX_MEMBERS),
            type_from: None,
        }
    }

    fn go(&mut self) -> Option<()> {
        self.space();
        loop {
            if !self.value()? {
                continue;
            }
            if self.after_value()? {
                self.space();
                // Closing brackets are not measured one by one.
                let fits = self.out.len() <= self.max_bytes;
                return (fits && self.at == self.bytes.len()).then_some(());
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        if !self.noting {
            while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
                self.at += 1;
            }
        }
    }

    /// Appends the text from `from` up to the present place.
    fn copy_from(&mut self, from: usize) -> Option<()> {
        self.out.push_str(self.text.get(from..self.at)?);
        (self.out.len() <= self.max_bytes).then_some(())
    }

    fn new_line(&mut self) -> Option<()> {
        if self.style == Style::Signed {
            self.out.push('\n');
            self.out.push_str(SPACES.get(..2 * self.open.len())?);
        }
        Some(())
    }

    /// Reads one value. `false`: a container was opened, and its first value comes next.
    fn value(&mut self) -> Option<bool> {
        let from = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b'{' => return self.open_container(true, b'}'),
            b'[' => return self.open_container(false, b']'),
            _ => {
                let rest = self.bytes.get(self.at..)?;
                let word: &[u8] = match rest.first()? {
                    b't' => b"true",
                    b'f' => b"false",
                    b'n' => b"null",
                    _ => return None,
                };
                if !rest.starts_with(word) {
                    return None;
                }
                self.at += word.len();
            }
        }
        self.copy_from(from)?;
        Some(true)
    }

    fn open_container(&mut self, object: bool, close: u8) -> Option<bool> {
        let from = self.at;
        self.at += 1;
        self.out.push_str(self.text.get(from..self.at)?);
        self.space();
        if self.peek()? == close {
            self.at += 1;
            self.out.push(char::from(close));
            return Some(true);
        }
        if self.open.len() == MAX_DEPTH {
            return None;
        }
        self.open.push((object, self.keys.len()));
        self.new_line()?;
        if object {
            self.key()?;
        }
        Some(false)
    }

    /// After a value: closes what ends here. `true`: the outermost value has ended.
    fn after_value(&mut self) -> Option<bool> {
        loop {
            self.note_end();
            let Some(&(object, keys_from)) = self.open.last() else {
                return Some(true);
            };
            self.space();
            match (self.peek()?, object) {
                (b',', _) => {
                    self.at += 1;
                    self.out.push(',');
                    self.new_line()?;
                    self.space();
                    if object {
                        self.key()?;
                    }
                    return Some(false);
                }
                (close @ b'}', true) | (close @ b']', false) => {
                    self.at += 1;
                    self.open.pop();
                    self.keys.truncate(keys_from);
                    self.new_line()?;
                    self.out.push(char::from(close));
                }
                _ => return None,
            }
        }
    }

    /// Reads a key and its colon.
    fn key(&mut self) -> Option<()> {
        let from = self.at;
        if self.peek()? != b'"' {
            return None;
        }
        self.string()?;
        let inside = from + 1..self.at - 1;
        let key = self.text.get(inside.clone())?;
        let &(_, keys_from) = self.open.last()?;
        let siblings = self.keys.get(keys_from..)?;
        if key.as_bytes().first().is_some_and(u8::is_ascii_digit)
            || siblings.len() == MAX_KEYS
            || siblings.contains(&key)
        {
            return None;
        }
        self.keys.push(key);
        self.copy_from(from)?;
        self.space();
        if self.peek()? != b':' {
            return None;
        }
        self.at += 1;
        self.out.push_str(if self.style == Style::Signed {
            ": "
        } else {
            ":"
        });
        self.space();
        if self.noting {
            if self.open.len() == 1 && self.members.len() < MAX_MEMBERS {
                self.members.push(Member {
                    key: inside,
                    value: self.at..self.at,
                    type_value: None,
                });
            } else if self.open.len() == 2 && key == "type" && self.members_open() {
                self.type_from = Some(self.at);
            }
        }
        Some(())
    }

    /// Whether the outermost container is an object.
    fn members_open(&self) -> bool {
        self.open.first().is_some_and(|&(object, _)| object)
    }

    /// Notes the end of a value of the outermost object, or of its `type`.
    fn note_end(&mut self) {
        if !self.noting || !self.members_open() {
            return;
        }
        let at = self.at;
        let depth = self.open.len();
        if let Some(member) = self.members.last_mut() {
            if depth == 1 {
                // Past the noted members this stretches the last one; a text
                // with so many is no message.
                member.value.end = at;
            } else if depth == 2
                && let Some(from) = self.type_from.take()
            {
                member.type_value = Some(from..at);
            }
        }
    }

    fn string(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                b'\\' => {
                    let escaped = self.bytes.get(self.at + 1)?;
                    if !matches!(escaped, b'"' | b'\\' | b'b' | b't' | b'n' | b'f' | b'r') {
                        return None;
                    }
                    self.at += 2;
                }
                0..0x20 => return None,
                _ => self.at += 1,
            }
        }
    }

    fn number(&mut self) -> Option<()> {
        if self.peek()? == b'-' {
            self.at += 1;
            if self.peek()? == b'0' {
                return None; // -0 prints as 0
            }
        }
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        // A fraction or an exponent ends in the declining branch of
        // `after_value`, or of `go`.
        let digits = self.bytes.get(from..self.at)?;
        match digits {
            [] => None,
            [b'0', _, ..] => None,
            _ => (digits.len() <= MAX_DIGITS).then_some(()),
        }
    }
}
