//! `ssb:` URIs and the texts around them, as people paste them.

/// A text without the quotes, brackets and spaces around it that come along when
/// it is copied.
pub(crate) fn unquote(text: &str) -> &str {
    text.trim_matches(is_around)
}

/// Whether a character may stand around a pasted text, and so not in it.
pub(crate) fn is_around(c: char) -> bool {
    c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '“' | '”' | '‘' | '’')
}

/// The parameters of a query, decoded; `None` when one is not right. A plus sign
/// stays one: base64 has it, and these texts come from `encodeURIComponent`.
pub(crate) fn query(text: &str) -> Option<Vec<(String, String)>> {
    let text = text.split('#').next().unwrap_or_default();
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name)?, percent_decode(value)?))
        })
        .collect()
}

/// The first parameter of that name.
pub(crate) fn parameter<'a>(all: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = all.iter().find(|(n, _)| n == name);
    found.map(|(_, value)| value.as_str())
}

/// Percent signs undone; `None` for a wrong one, or bytes that are no text.
pub(crate) fn percent_decode(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(b) = bytes.next() {
        if b == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            let (high, low) = (digit()?, digit()?);
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(b);
        }
    }
    String::from_utf8(out).ok()
}

/// What follows `ssb:` in any of its spellings.
pub(crate) fn after_scheme(text: &str) -> Option<&str> {
    let scheme = text.get(..4)?;
    let rest = scheme.eq_ignore_ascii_case("ssb:").then(|| &text[4..])?;
    Some(rest.trim_start_matches('/'))
}

/// The address inside `ssb:address/multiserver?multiserverAddress=…`; `None` when
/// the text is no `ssb:` URI.
pub(crate) fn address(text: &str) -> Option<Result<String, String>> {
    let rest = after_scheme(text)?;
    let (path, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let path = path.trim_end_matches('/').replace(':', "/");
    Some(match path.as_str() {
        "address/multiserver" => query(parameters)
            .as_deref()
            .and_then(|all| parameter(all, "multiserverAddress"))
            .map(str::to_owned)
            .ok_or_else(|| "the URI has no multiserverAddress".into()),
        "experimental" => {
            Err("it is an invite or an alias; use `studytime peer invite URI`".into())
        }
        _ => Err("this ssb: URI is no address (ssb:address/multiserver?…)".into()),
    })
}
