//! The grammar under multiserver addresses: `proto:data:data~proto:data`,
//! alternatives joined by `;`, and `!` before a character that is meant as such.

/// Most pieces of one kind that are read.
const MAX_PIECES: usize = 32;

/// Cuts a text at a separator that no `!` stands before; `!` stays in the pieces.
pub(crate) fn split(text: &str, separator: char) -> Result<Vec<&str>, String> {
    let (mut pieces, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '!' {
            escaped = true;
        } else if c == separator {
            pieces.push(&text[start..at]);
            start = at + c.len_utf8();
            if pieces.len() >= MAX_PIECES {
                return Err(format!(
                    "it has more than {MAX_PIECES} parts between {separator:?}"
                ));
            }
        }
    }
    if escaped {
        return Err("it ends with \"!\", which stands before a character".into());
    }
    pieces.push(&text[start..]);
    Ok(pieces)
}

/// A piece without its escapes.
pub(crate) fn unescape(piece: &str) -> String {
    let mut out = String::with_capacity(piece.len());
    let mut chars = piece.chars();
    while let Some(c) = chars.next() {
        match c {
            '!' => out.extend(chars.next()),
            c => out.push(c),
        }
    }
    out
}

/// A piece with escapes, so that [`split`] leaves it whole, and so that it is not
/// taken for the key of the older form (`:@`).
pub(crate) fn escape(data: &str) -> String {
    let mut out = String::with_capacity(data.len());
    for c in data.chars() {
        if matches!(c, '!' | ':' | ';' | '~' | '@') {
            out.push('!');
        }
        out.push(c);
    }
    out
}
