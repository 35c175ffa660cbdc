//! LaTeX formulas to MathML, which browsers show without any script.

use super::escape;
use math_core::{LatexToMathML, MathCoreConfig, MathDisplay};
use std::sync::LazyLock;

/// Longest formula that is set, in bytes; longer ones are shown as source.
const MAX_FORMULA: usize = 2_000;

/// Most commands and braces in a formula: each may nest one deeper.
const MAX_TOKENS: usize = 300;

/// Largest MathML of one formula, in bytes.
const MAX_OUTPUT: usize = 64 * 1024;

static CONVERTER: LazyLock<Option<LatexToMathML>> =
    LazyLock::new(|| LatexToMathML::new(MathCoreConfig::default()).ok());

/// The formula as MathML, or its source in `<code>` when it cannot be set.
pub(super) fn to_mathml(source: &str, block: bool) -> String {
    match convert(source.trim(), block) {
        Some(mathml) if block => format!("<span class=\"formula\" tabindex=\"0\">{mathml}</span>"),
        Some(mathml) => mathml,
        None if block => format!(
            "<span class=\"formula\"><code>{}</code></span>",
            escape(source.trim())
        ),
        None => format!("<code class=\"formula\">{}</code>", escape(source.trim())),
    }
}

fn convert(source: &str, block: bool) -> Option<String> {
    let nesting = |c: char| matches!(c, '\\' | '{' | '[' | '(' | '^' | '_' | '\'');
    let fits =
        source.len() <= MAX_FORMULA && source.chars().filter(|c| nesting(*c)).count() <= MAX_TOKENS;
    if !fits || source.is_empty() {
        return None;
    }
    let converter = CONVERTER.as_ref()?;
    let display = if block {
        MathDisplay::Block
    } else {
        MathDisplay::Inline
    };
    // The input is a stranger's; a panic in the converter must cost one formula only.
    let converted =
        std::panic::catch_unwind(|| converter.convert_with_local_state(source, display));
    let mathml = converted.ok()?.ok()?.mathml;
    (mathml.len() <= MAX_OUTPUT && is_inert(&mathml)).then_some(mathml)
}

/// Elements a formula may be made of.
const ELEMENTS: &[&str] = &[
    "math",
    "mi",
    "mn",
    "mo",
    "mtext",
    "mspace",
    "mrow",
    "mfrac",
    "msqrt",
    "mroot",
    "msub",
    "msup",
    "msubsup",
    "munder",
    "mover",
    "munderover",
    "mmultiscripts",
    "mprescripts",
    "mtable",
    "mtr",
    "mtd",
    "mpadded",
    "mphantom",
    "mstyle",
    "menclose",
    "merror",
];

/// Attributes whose values cannot load, link or run anything.
const ATTRIBUTES: &[&str] = &[
    "display",
    "mathvariant",
    "stretchy",
    "symmetric",
    "largeop",
    "movablelimits",
    "form",
    "fence",
    "separator",
    "lspace",
    "rspace",
    "minsize",
    "maxsize",
    "accent",
    "accentunder",
    "linethickness",
    "width",
    "height",
    "depth",
    "voffset",
    "displaystyle",
    "scriptlevel",
    "class",
    "columnalign",
    "columnspacing",
    "rowspacing",
    "columnspan",
    "rowspan",
    "columnlines",
    "rowlines",
    "frame",
    "notation",
    "mathcolor",
    "mathbackground",
    "mathsize",
    "style",
    "dir",
    "intent",
    "arg",
];

/// Whether a text is nothing but the elements and attributes above: the
/// converter is not taken at its word.
fn is_inert(mathml: &str) -> bool {
    let mut rest = mathml;
    while let Some(at) = rest.find('<') {
        let Some(end) = rest[at..].find('>') else {
            return false;
        };
        let tag = rest[at + 1..at + end].trim_end_matches('/');
        let tag = tag.strip_prefix('/').unwrap_or(tag);
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        if !ELEMENTS.contains(&name) || !attributes_inert(attributes) {
            return false;
        }
        rest = &rest[at + end + 1..];
    }
    true
}

fn attributes_inert(mut rest: &str) -> bool {
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return true;
        }
        let Some((name, after)) = rest.split_once("=\"") else {
            // A bare attribute, as minimised HTML writes them.
            return rest.split(' ').all(|name| ATTRIBUTES.contains(&name));
        };
        let (bare, name) = name.rsplit_once(' ').unwrap_or(("", name));
        if !ATTRIBUTES.contains(&name)
            || !bare
                .split(' ')
                .all(|b| b.is_empty() || ATTRIBUTES.contains(&b))
        {
            return false;
        }
        let Some((_, after)) = after.split_once('"') else {
            return false;
        };
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_ordinary_formulas() {
        for source in [
            r"\frac{-b \pm \sqrt{b^2-4ac}}{2a}",
            r"\int_0^\infty e^{-x^2}\,dx = \frac{\sqrt\pi}{2}",
            r"\sum_{k=1}^n k = \frac{n(n+1)}{2}",
            r"\begin{pmatrix} a & b \\ c & d \end{pmatrix}",
            r"\mathbb{R}^n \to \mathcal{H}, \quad \vec{x} \mapsto \hat{y}",
            r"\begin{cases} 1 & x > 0 \\ 0 & \text{otherwise} \end{cases}",
            r"\left( \frac{a}{b} \right)^2 \overline{z} \binom{n}{k}",
            r"\begin{aligned} a &= b \\ &= c \end{aligned}",
        ] {
            let html = to_mathml(source, true);
            assert!(html.contains("<math"), "{source}: {html}");
        }
    }

    #[test]
    fn hostile_formulas_stay_text() {
        for source in [
            r"\text{</mtext><script>alert(1)</script>}",
            r"\href{javascript:alert(1)}{x}",
            r#"\class{x" onload="alert(1)}{y}"#,
            r"\unknowncommand{<img src=x onerror=alert(1)>}",
            r"\color{red;background:url(//evil.example)}{x}",
        ] {
            for block in [false, true] {
                let html = to_mathml(source, block);
                assert!(!html.contains("<script"), "{html}");
                assert!(!html.contains("<img"), "{html}");
                assert!(
                    !html.contains(" href=\"") && !html.contains(" onload=\""),
                    "{html}"
                );
            }
        }
    }

    #[test]
    fn deep_formulas_fit_a_small_stack() {
        let run = || {
            for unit in [
                r"\sqrt",
                r"{",
                r"\frac1",
                r"\left(",
                r"x^",
                r"\begin{matrix}",
                r"\text{$",
                r"\hat",
            ] {
                let mut source =
                    unit.repeat(MAX_TOKENS / unit.matches(['\\', '{', '(', '^']).count().max(1));
                source.truncate(MAX_FORMULA);
                to_mathml(&source, true);
                source.push('x');
                to_mathml(&source, false);
            }
        };
        std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(run)
            .unwrap()
            .join()
            .unwrap();
    }
}
