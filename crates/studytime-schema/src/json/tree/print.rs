//! Printing a tree.

use super::{Node, Tree};
use crate::json::{FormError, MAX_MEMBERS, Member, Style};
use std::ops::Range;

pub(super) struct Printer<'a> {
    tree: &'a Tree,
    style: Style,
    pub(super) out: String,
    max_bytes: usize,
    /// Open containers, each with the number of its next child.
    open: Vec<(usize, usize)>,
    /// Note the outline; for messages.
    pub(super) noting: bool,
    pub(super) members: Vec<Member>,
}

impl<'a> Printer<'a> {
    pub(super) fn new(tree: &'a Tree, style: Style, max_bytes: usize) -> Self {
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

    pub(super) fn print(&mut self) -> Result<(), FormError> {
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
                        self.out.push_str(if self.style == Style::Signed {
                            ": "
                        } else {
                            ":"
                        });
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
                self.out
                    .push_str(self.tree.pool.get(range.clone()).unwrap_or_default());
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
            self.members.push(Member {
                key: inside,
                value: at..at,
                type_value: None,
            });
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
