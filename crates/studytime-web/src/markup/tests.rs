use super::*;
use proptest::prelude::*;

const BLOB: &str = "&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256";
const BLOB_PATH: &str = "/blob/47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";

fn md(text: &str) -> String {
    render(text, Kind::Markdown).html
}

fn html(text: &str) -> String {
    render(text, Kind::Html).html
}

/// What must never come out, whatever went in. Text is escaped, so these can
/// only be found where they would work.
fn assert_harmless(out: &str) {
    let mut rest = out;
    while let Some(at) = rest.find('<') {
        let mut quoted = false;
        let end = rest[at..]
            .bytes()
            .position(|b| {
                quoted ^= b == b'"';
                b == b'>' && !quoted
            })
            .unwrap_or_else(|| panic!("open tag in {out}"));
        let tag = rest[at..at + end + 1].to_lowercase();
        for bad in [
            "<script",
            "<style",
            "<iframe",
            "<object",
            "<embed",
            "<svg",
            "<form",
            "<input",
            "<link",
            "<meta",
            "<base",
            "<video",
            "<audio",
            "<button",
            "<textarea",
            "<template",
        ] {
            assert!(!tag.starts_with(bad), "{tag} in {out}");
        }
        let mut unquoted = String::new();
        let mut inside = false;
        for c in tag.chars() {
            inside ^= c == '"';
            if !inside {
                unquoted.push(c);
            }
        }
        for word in unquoted.split([' ', '/']) {
            assert!(!word.starts_with("on"), "{tag} in {out}");
            assert!(!word.starts_with("srcset"), "{tag} in {out}");
            assert!(
                !word.starts_with("style") || tag.starts_with("<m"),
                "{tag} in {out}"
            );
        }
        for (name, value) in tag.split("=\"").zip(tag.split("=\"").skip(1)) {
            let name = name.rsplit(' ').next().unwrap_or_default();
            let value = value.split('"').next().unwrap_or_default();
            if name == "src" {
                assert!(value.starts_with("/blob/"), "{tag}");
            }
            if name == "href" {
                let ok = [
                    "#l-", "/media/", "/course/", "http://", "https://", "mailto:",
                ];
                assert!(ok.iter().any(|p| value.starts_with(p)), "{tag}");
            }
        }
        rest = &rest[at + end + 1..];
    }
}

#[test]
fn markdown_is_rendered_whole() {
    let out = md(
        "# Title\n\nSome *text* with `code`.\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n- [x] done\n\n~~old~~[^1]\n\n[^1]: note\n\n> [!TIP]\n> do it\n",
    );
    for part in [
        "<h2 id=\"l-title\">Title</h2>",
        "<em>text</em>",
        "<code>code</code>",
        "<th class=\"right\">b</th>",
        "<td>1</td><td class=\"right\">2</td>",
        "☑</span> done",
        "<del>old</del>",
        "markdown-alert-tip",
        "href=\"#l-1\"",
        "id=\"l-1\"",
    ] {
        assert!(out.contains(part), "{part} not in {out}");
    }
    assert_harmless(&out);
}

#[test]
fn blob_pictures_and_links_point_here() {
    let out = md(&format!("![A map]({BLOB}) and [file]({BLOB})"));
    assert!(out.contains(&format!("src=\"{BLOB_PATH}\"")), "{out}");
    assert!(out.contains("alt=\"A map\""), "{out}");
    assert!(out.contains("loading=\"lazy\""), "{out}");
    assert!(out.contains("href=\"/media/47DEQ"), "{out}");
    let old = BLOB.replace('&', "%");
    assert!(html(&format!("<img src=\"{old}\">")).contains(BLOB_PATH));
}

#[test]
fn remote_pictures_become_words() {
    let out = md("![Logo](https://tracker.example/x.png?id=1&u=2)");
    assert!(!out.contains("<img"), "{out}");
    assert!(
        out.contains("href=\"https://tracker.example/x.png?id=1&amp;u=2\""),
        "{out}"
    );
    assert!(out.contains("Logo</a>"), "{out}");
    assert!(!html("<img src=\"javascript:alert(1)\" alt='<b>x'>").contains("javascript"));
    assert!(html("<img src=\"pictures/a.png\" alt=a>").contains("not part of this course"));
    for source in [
        "//evil.example/x",
        "data:image/png;base64,AA",
        "HTTPS://EVIL.example",
    ] {
        assert!(
            !html(&format!("<img src=\"{source}\">")).contains("<img"),
            "{source}"
        );
    }
}

#[test]
fn headings_get_ids_and_a_table_of_contents() {
    let out = render(
        "## One\n\n## One\n\n### Ünder the hood\n\n#### deep",
        Kind::Markdown,
    );
    let ids: Vec<_> = out.toc.iter().map(|h| (h.level, h.id.as_str())).collect();
    assert_eq!(ids, [(2, "l-one"), (2, "l-one-1"), (3, "l-ünder-the-hood")]);
    let own = render(
        "<h1 id=\"main\">A <b>b</b></h1><h2>c &amp; d</h2>",
        Kind::Html,
    );
    assert!(
        own.html.starts_with("<h2 id=\"l-main\">A <b>b</b></h2>"),
        "{}",
        own.html
    );
    assert_eq!(own.toc[1].text, "c & d");
    assert_eq!(own.toc[1].level, 3);
}

#[test]
fn formulas_become_mathml_and_only_those() {
    let out = md("Euler: $e^{i\\pi} = -1$ costs $5 and $6.\n\n$$\\int x$$\n\n`$no$`");
    assert_eq!(out.matches("<math").count(), 2, "{out}");
    assert!(out.contains("<code>$no$</code>"), "{out}");
    let saved = html("<p>So \\(a &lt; b\\) and \\[c\\]</p><pre>\\(x\\)</pre>");
    assert_eq!(saved.matches("<math").count(), 2, "{saved}");
    assert!(saved.contains("<pre>\\(x\\)</pre>"), "{saved}");
    assert!(md("a \u{F8F0}0\u{F8F1} b").contains("a 0 b"));
}

#[test]
fn code_is_coloured_on_both_ways() {
    let out = md("```rust\nlet a = \"<b>\";\n```\n");
    assert!(out.contains("<span class=\"hl-k\">let</span>"), "{out}");
    assert!(out.contains("&lt;b&gt;"), "{out}");
    let out = html("<pre><code class=\"language-py evil\">x = 1 # a</code></pre>");
    assert!(out.contains("hl-c") && !out.contains("evil"), "{out}");
    assert!(md("```\nplain\n```").contains("<pre><code>plain"));
}

#[test]
fn hostile_texts_do_nothing() {
    let corpus = [
        "<script>alert(1)</script>",
        "<ScRiPt src=//evil.example></sCrIpT>",
        "<img src=x onerror=alert(1)>",
        "<img src=\"&47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=.sha256\" onload=alert(1) style=\"position:fixed\">",
        "<a href=\"javascript:alert(1)\">x</a>",
        "<a href=\" \tjava\nscript:alert(1)\">x</a>",
        "<a href=\"data:text/html,<script>\">x</a>",
        "<a href=\"vbscript:x\">x</a><a href=\"file:///etc/passwd\">y</a>",
        "<a href=\"/settings\">own page</a><a href=\"//evil.example\">z</a>",
        "[x](javascript:alert(1)) [y](JaVaScRiPt:alert(1)) ![z](javascript:alert(1))",
        "<https://evil.example/\"onmouseover=\"alert(1)>",
        "[a]: javascript:alert(1)\n\n[a]",
        "<svg><script>alert(1)</script></svg>",
        "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        "<form action=/settings method=post><input name=a><button>go</button></form>",
        "<iframe srcdoc=\"<script>alert(1)</script>\"></iframe>",
        "<object data=x></object><embed src=x>",
        "<style>@import '//evil.example'; body{display:none}</style>",
        "<p style=\"background:url(//evil.example)\">x</p>",
        "<base href=//evil.example><meta http-equiv=refresh content=0;url=//evil.example>",
        "<link rel=stylesheet href=//evil.example>",
        "<video src=//evil.example autoplay></video><audio src=x></audio>",
        "<div id=token class=\"banner\">x</div>",
        "<p title=\"a>b\" id=\"x\">y</p>",
        "<details open ontoggle=alert(1)>x</details>",
        "<a href=\"https://a.example/&quot;><script>alert(1)</script>\">x</a>",
        "</article></main><script>alert(1)</script>",
        "<!--><script>alert(1)</script>-->",
        "<!--a--><b>x</b><!-- <script>",
        "<template><script>alert(1)</script></template>",
        "<xmp><script>alert(1)</script></xmp>",
        "<plaintext><b>",
        "<textarea></textarea><script>alert(1)</script>",
        "\u{0}<scr\u{0}ipt>alert(1)</script>",
        "<h1><img src=\"x\" alt=\"</h1><script>alert(1)</script>\"></h1>",
        "`<script>` and \\<script>alert(1)\\</script>",
        "```html\" onclick=\"alert(1)\n<script>\n```",
        "<code class='language-rust\"onclick=x'>fn</code>",
        "$\\text{<script>alert(1)</script>}$ $</script>$",
        "<scr<script></script>ipt>alert(1)</script>",
    ];
    for text in corpus {
        for kind in [Kind::Markdown, Kind::Html, Kind::Plain] {
            let out = render(text, kind).html;
            assert_harmless(&out);
        }
    }
    assert!(!html("<div id=token class=\"banner\">x</div>").contains("id=\"token\""));
}

#[test]
fn deep_and_long_texts_stay_cheap() {
    let started = std::time::Instant::now();
    for unit in [
        "<div>",
        "<b>",
        "<b id=1>",
        "<a href=x>",
        "<table><td>",
        "<p><b>",
        "> ",
        "- ",
        "  - ",
        "[",
        "![",
        "*a ",
        "**",
        "`",
        "<",
        "&",
        "<!--",
        "<script>",
        "|",
        "$",
        "\\(",
        "[^1]: ",
        "(",
        "a[",
        "<ul><li>",
        "</x><b>",
        "<b></x>",
        "<i><div></i>",
    ] {
        for kind in [Kind::Markdown, Kind::Html] {
            let out = render(&unit.repeat(100_000 / unit.len()), kind);
            assert_harmless(&out.html);
        }
    }
    // Generous: it is about minutes, not about how fast this machine is.
    assert!(started.elapsed().as_secs() < 120, "{:?}", started.elapsed());
}

#[test]
fn long_texts_are_cut_at_a_character() {
    let out = render(&"é".repeat(MAX_TEXT), Kind::Plain);
    assert!(out.truncated);
    assert!(!render("short", Kind::Plain).truncated);
}

#[test]
fn plain_text_keeps_its_lines() {
    let out = render("a <b>\nb\n\n\nc & d", Kind::Plain).html;
    assert_eq!(
        out,
        "<p class=\"plain\">a &lt;b&gt;\nb</p>\n<p class=\"plain\">c &amp; d</p>\n"
    );
}

#[test]
fn summaries_are_words_only() {
    assert_eq!(
        summary("# A *b*\n\n[c](https://x.example) d", 80),
        "A b c d"
    );
    let long = summary(&"word ".repeat(100), 20);
    assert!(long.chars().count() <= 20 && long.ends_with('…'), "{long}");
}

#[test]
fn whole_pages_with_scripts_are_read() {
    let page = "<!doctype html><html><head><title>t</title><style>b{}</style><script>for(i=0;a<b;i++){x<y}</script></head><body><nav>menu</nav><h1>Real</h1><p>text</p></body></html>";
    let out = html(page);
    assert!(
        out.contains("<p>text</p>") && !out.contains("for("),
        "{out}"
    );
}

proptest! {
    #[test]
    fn anything_comes_out_harmless(text in "[<>/a-z\"'=&;:#!\\[\\]()*`$\\\\ \n-]{0,120}") {
        for kind in [Kind::Markdown, Kind::Html, Kind::Plain] {
            assert_harmless(&render(&text, kind).html);
        }
    }

    #[test]
    fn formulas_never_panic(text in "(\\\\(frac|sqrt|text|left|right|begin|end|hat|sum|color|mathbb|over|limits|operatorname|not|big)|[{}()\\[\\]^_&$'a-z0-9 .|<>]){0,40}") {
        assert_harmless(&md(&format!("$${text}$$")));
    }
}
