//! Colours for code: a small lexer that knows comments, strings, numbers and
//! keywords. It marks with classes only; the style sheet has the colours.

use super::escape_into;

/// Longest code that is coloured, in bytes.
const MAX_CODE: usize = 64 * 1024;

struct Language {
    names: &'static [&'static str],
    line_comments: &'static [&'static str],
    block_comment: Option<(&'static str, &'static str)>,
    /// Quotes of strings; three in a row open a long string where `long` says so.
    quotes: &'static [char],
    long: bool,
    keywords: &'static str,
}

const C_LIKE: &str = "auto break case catch class const constexpr continue default delete do double else enum extern false final finally float for friend goto if import inline int interface long namespace new null nullptr operator package private protected public return short signed sizeof static struct super switch template this throw throws true try typedef typename union unsigned using var virtual void volatile while bool boolean byte char string internal abstract override readonly foreach in is as out ref async await fn func extends implements instanceof fun val when object companion data sealed let guard protocol extension self Self nil go defer chan map range select type fallthrough";

const LANGUAGES: &[Language] = &[
    Language {
        names: &["rust", "rs"],
        line_comments: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: &['"'],
        long: false,
        keywords: "as async await break const continue crate dyn else enum extern false fn for if impl in let loop match mod move mut pub ref return self Self static struct super trait true type union unsafe use where while Some None Ok Err Box String Vec Option Result u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char str",
    },
    Language {
        names: &[
            "c", "h", "cpp", "c++", "cc", "hpp", "java", "cs", "csharp", "c#", "kotlin", "kt",
            "swift", "go", "dart", "scala", "php", "objc", "arduino", "zig", "d",
        ],
        line_comments: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: &['"', '\'', '`'],
        long: true,
        keywords: C_LIKE,
    },
    Language {
        names: &[
            "js",
            "javascript",
            "jsx",
            "mjs",
            "ts",
            "typescript",
            "tsx",
            "node",
        ],
        line_comments: &["//"],
        block_comment: Some(("/*", "*/")),
        quotes: &['"', '\'', '`'],
        long: false,
        keywords: "async await break case catch class const continue debugger default delete do else enum export extends false finally for from function get if implements import in instanceof interface let new null of private protected public return set static super switch this throw true try type typeof undefined var void while with yield string number boolean any never unknown readonly as",
    },
    Language {
        names: &["python", "py", "python3", "ipython", "pycon"],
        line_comments: &["#"],
        block_comment: None,
        quotes: &['"', '\''],
        long: true,
        keywords: "False None True and as assert async await break class continue def del elif else except finally for from global if import in is lambda match case nonlocal not or pass raise return self try while with yield print range len int float str list dict set tuple bool",
    },
    Language {
        names: &[
            "ruby", "rb", "perl", "pl", "r", "julia", "jl", "elixir", "ex", "nim", "crystal",
        ],
        line_comments: &["#"],
        block_comment: None,
        quotes: &['"', '\''],
        long: true,
        keywords: "BEGIN END alias and begin break case class def defined do else elsif elseif end ensure false for function if in module my next nil not or our redo require rescue retry return self sub super then true undef unless until use using when while yield let struct mutable import export const global local TRUE FALSE NULL library fn defmodule defp",
    },
    Language {
        names: &[
            "sh",
            "bash",
            "shell",
            "zsh",
            "fish",
            "console",
            "shell-session",
            "dockerfile",
            "docker",
            "make",
            "makefile",
            "powershell",
            "ps1",
        ],
        line_comments: &["#"],
        block_comment: None,
        quotes: &['"', '\''],
        long: false,
        keywords: "if then else elif fi case esac for while until do done in function return exit export local set unset source alias cd echo sudo apt apt-get cargo git npm pip docker FROM RUN CMD COPY ADD ENV EXPOSE WORKDIR ENTRYPOINT USER ARG",
    },
    Language {
        names: &[
            "toml",
            "yaml",
            "yml",
            "ini",
            "conf",
            "properties",
            "json",
            "json5",
            "jsonc",
        ],
        line_comments: &["#", "//"],
        block_comment: None,
        quotes: &['"', '\''],
        long: true,
        keywords: "true false null yes no on off",
    },
    Language {
        names: &["sql", "postgresql", "mysql", "sqlite", "plsql"],
        line_comments: &["--"],
        block_comment: Some(("/*", "*/")),
        quotes: &['\'', '"', '`'],
        long: false,
        keywords: "ADD ALL ALTER AND AS ASC BEGIN BETWEEN BY CASE CHECK COLUMN COMMIT CONSTRAINT CREATE CROSS DEFAULT DELETE DESC DISTINCT DROP ELSE END EXISTS FOREIGN FROM FULL GROUP HAVING IF IN INDEX INNER INSERT INTEGER INTO IS JOIN KEY LEFT LIKE LIMIT NOT NULL OFFSET ON OR ORDER OUTER PRIMARY REFERENCES RIGHT ROLLBACK SELECT SET TABLE TEXT THEN UNION UNIQUE UPDATE VALUES VARCHAR VIEW WHEN WHERE WITH",
    },
    Language {
        names: &[
            "haskell", "hs", "lua", "ada", "elm", "ocaml", "ml", "fsharp",
        ],
        line_comments: &["--"],
        block_comment: Some(("{-", "-}")),
        quotes: &['"'],
        long: false,
        keywords: "and begin case class data deriving do else elseif end false for function if import in infix instance is let local match module newtype nil not of or procedure rec repeat return then true type until val where while with",
    },
    Language {
        names: &["css", "scss", "less"],
        line_comments: &[],
        block_comment: Some(("/*", "*/")),
        quotes: &['"', '\''],
        long: false,
        keywords: "import media supports keyframes important inherit initial unset none auto",
    },
    Language {
        names: &[
            "lisp", "clojure", "clj", "scheme", "racket", "elisp", "asm", "nasm",
        ],
        line_comments: &[";"],
        block_comment: None,
        quotes: &['"'],
        long: false,
        keywords: "def defn defun define lambda let if cond else loop recur do fn set setq quote nil true false mov push pop call ret jmp add sub cmp",
    },
    Language {
        names: &["tex", "latex", "matlab", "octave", "erlang", "prolog"],
        line_comments: &["%"],
        block_comment: None,
        quotes: &['"'],
        long: false,
        keywords: "begin end function if else elseif for while return case otherwise switch module export of when",
    },
];

/// The code as HTML with spans, or `None` for a language it does not know.
pub(super) fn highlight(code: &str, language: &str) -> Option<String> {
    if code.len() > MAX_CODE {
        return None;
    }
    let name = language.to_ascii_lowercase();
    if matches!(name.as_str(), "html" | "xml" | "svg" | "vue" | "xhtml") {
        return Some(markup(code));
    }
    let language = LANGUAGES
        .iter()
        .find(|l| l.names.contains(&name.as_str()))?;
    Some(lex(
        code,
        language,
        matches!(
            name.as_str(),
            "sql" | "postgresql" | "mysql" | "sqlite" | "plsql"
        ),
    ))
}

fn span(class: &str, text: &str, out: &mut String) {
    out.push_str("<span class=\"");
    out.push_str(class);
    out.push_str("\">");
    escape_into(text, out);
    out.push_str("</span>");
}

fn lex(code: &str, language: &Language, any_case: bool) -> String {
    let mut out = String::with_capacity(code.len() * 2);
    let mut rest = code;
    let mut before = '\n';
    while let Some(c) = rest.chars().next() {
        let (class, len) = token(rest, c, before, language, any_case);
        let (text, after) = rest.split_at(len);
        if class.is_empty() {
            escape_into(text, &mut out);
        } else {
            span(class, text, &mut out);
        }
        before = text.chars().next_back().unwrap_or(before);
        rest = after;
    }
    out
}

/// The class and length of the token that `rest` begins with; `c` is its first
/// character, `before` the one in front of it.
fn token(
    rest: &str,
    c: char,
    before: char,
    language: &Language,
    any_case: bool,
) -> (&'static str, usize) {
    let while_in = |inside: fn(char) -> bool| rest.find(|c| !inside(c)).unwrap_or(rest.len());
    if let Some(len) = comment(rest, before, language) {
        ("hl-c", len)
    } else if language.quotes.contains(&c) {
        ("hl-s", string(rest, c, language.long))
    } else if c.is_ascii_digit() && !before.is_alphanumeric() && before != '_' {
        (
            "hl-n",
            while_in(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_'),
        )
    } else if c.is_alphabetic() || c == '_' {
        let len = while_in(|c| c.is_alphanumeric() || c == '_');
        let (word, after) = rest.split_at(len);
        let known = language
            .keywords
            .split(' ')
            .any(|k| k == word || (any_case && k.eq_ignore_ascii_case(word)));
        let call = after.starts_with('(') || after.starts_with("!(");
        match (known, call) {
            (true, _) => ("hl-k", len),
            (_, true) => ("hl-f", len),
            _ => ("", len),
        }
    } else {
        ("", c.len_utf8())
    }
}

fn comment(rest: &str, before: char, language: &Language) -> Option<usize> {
    if let Some((open, close)) = language.block_comment
        && rest.starts_with(open)
    {
        let end = rest[open.len()..].find(close);
        return Some(end.map_or(rest.len(), |e| open.len() + e + close.len()));
    }
    let opens = language.line_comments.iter().any(|mark| {
        // `$#` and `a#b` are no comments in a shell, nor is `http://` one.
        rest.starts_with(mark) && (before.is_whitespace() || !matches!(*mark, "#") && before != ':')
    });
    opens.then(|| rest.find('\n').unwrap_or(rest.len()))
}

fn string(rest: &str, quote: char, long: bool) -> usize {
    let three: String = [quote; 3].iter().collect();
    if long && rest.starts_with(&three) {
        return rest[3..].find(&three).map_or(rest.len(), |e| e + 6);
    }
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + c.len_utf8();
        } else if c == '\n' && quote != '`' {
            return at;
        }
    }
    rest.len()
}

/// HTML and XML: tags and comments.
fn markup(code: &str) -> String {
    let mut out = String::with_capacity(code.len() * 2);
    let mut rest = code;
    while let Some(at) = rest.find('<') {
        escape_into(&rest[..at], &mut out);
        rest = &rest[at..];
        let (class, len) = if rest.starts_with("<!--") {
            ("hl-c", rest.find("-->").map_or(rest.len(), |e| e + 3))
        } else {
            ("hl-k", rest.find('>').map_or(rest.len(), |e| e + 1))
        };
        span(class, &rest[..len], &mut out);
        rest = &rest[len..];
    }
    escape_into(rest, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_keeps_every_character() {
        let code = "fn main() {\n    // hi <b>\n    let x = \"a\\\"b\" + 0x1F;\n}\n";
        let html = highlight(code, "rust").unwrap();
        assert!(html.contains("<span class=\"hl-k\">fn</span>"));
        assert!(html.contains("<span class=\"hl-c\">// hi &lt;b&gt;</span>"));
        assert!(html.contains("<span class=\"hl-n\">0x1F</span>"));
        let text: String = html
            .split('<')
            .map(|part| part.split_once('>').map_or(part, |(_, t)| t))
            .collect();
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&");
        assert_eq!(text, code);
    }

    #[test]
    fn odd_code_is_no_trouble() {
        for code in ["\"", "'''", "/*", "<!--", "é\"é", "#", "a'b", "\\", "`"] {
            for language in ["rust", "python", "js", "html", "sh", "sql"] {
                assert!(highlight(code, language).is_some());
            }
        }
        assert!(highlight("x", "klingon").is_none());
    }
}
