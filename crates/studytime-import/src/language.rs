//! Language tags in file names.

/// Two-letter codes of ISO 639-1. A longer word after a dot is too often a word.
const CODES: &str = "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy \
da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii \
ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr \
ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl \
sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// Own names of widely used languages, for caption menus.
const NAMES: &[(&str, &str)] = &[
    ("am", "አማርኛ"),
    ("ar", "العربية"),
    ("bg", "Български"),
    ("bn", "বাংলা"),
    ("ca", "Català"),
    ("cs", "Čeština"),
    ("da", "Dansk"),
    ("de", "Deutsch"),
    ("el", "Ελληνικά"),
    ("en", "English"),
    ("es", "Español"),
    ("et", "Eesti"),
    ("fa", "فارسی"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hr", "Hrvatski"),
    ("hu", "Magyar"),
    ("id", "Bahasa Indonesia"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ka", "ქართული"),
    ("kk", "Қазақ тілі"),
    ("ko", "한국어"),
    ("lt", "Lietuvių"),
    ("lv", "Latviešu"),
    ("nb", "Norsk bokmål"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("sk", "Slovenčina"),
    ("sl", "Slovenščina"),
    ("sr", "Српски"),
    ("sv", "Svenska"),
    ("sw", "Kiswahili"),
    ("ta", "தமிழ்"),
    ("te", "తెలుగు"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("ur", "اردو"),
    ("vi", "Tiếng Việt"),
    ("zh", "中文"),
];

/// Reads `en`, `EN`, `pt-BR`, `pt_br`, `zh-Hans`, `zh-Hans-CN`; the usual
/// capitals are restored.
pub(crate) fn tag(text: &str) -> Option<String> {
    if text.len() > 12 || !text.is_ascii() {
        return None;
    }
    let mut parts = text.split(['-', '_']);
    let primary = parts.next()?.to_ascii_lowercase();
    if primary.len() != 2 || !CODES.split_ascii_whitespace().any(|c| c == primary) {
        return None;
    }
    let mut out = primary;
    for part in parts {
        out.push('-');
        let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
        match part.len() {
            4 if letters => {
                let (head, tail) = part.split_at_checked(1)?;
                out.push_str(&head.to_ascii_uppercase());
                out.push_str(&tail.to_ascii_lowercase());
            }
            2 if letters => out.push_str(&part.to_ascii_uppercase()),
            3 if part.bytes().all(|b| b.is_ascii_digit()) => out.push_str(part),
            _ => return None,
        }
    }
    Some(out)
}

/// The shape of a BCP 47 tag, whatever the language; `en_US` is read as `en-US`.
pub(crate) fn shape(text: &str) -> Option<String> {
    let tag = text.trim().replace('_', "-");
    let mut parts = tag.split('-');
    let first = parts.next().unwrap_or_default();
    let good = (2..=3).contains(&first.len())
        && tag.len() <= 35
        && first.bytes().all(|b| b.is_ascii_alphabetic())
        && parts
            .all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    good.then_some(tag)
}

/// Splits a language off the end of a stem: `intro.en`, `intro-EN`, `intro_pt-br`.
pub(crate) fn split_suffix(stem: &str) -> Option<(&str, String)> {
    // The longest tag wins, so that `a_pt-br` is not `a_pt` in Breton.
    stem.char_indices()
        .filter(|(at, c)| *at > 0 && matches!(c, '.' | '-' | '_'))
        .find_map(|(at, _)| {
            let base = stem.get(..at)?;
            let tag = tag(stem.get(at + 1..)?)?;
            Some((base, tag))
        })
}

/// The language without script and region.
pub(crate) fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// The language's own name with its region, or the tag.
pub(crate) fn label(tag: &str) -> String {
    let name = NAMES.iter().find(|(code, _)| *code == primary(tag));
    match (name, tag.split_once('-')) {
        (Some((_, name)), None) => (*name).to_owned(),
        (Some((_, name)), Some((_, region))) => format!("{name} ({region})"),
        (None, _) => tag.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes() {
        let split = |s: &'static str| split_suffix(s).map(|(b, t)| (b.to_owned(), t));
        assert_eq!(split("01_intro.en"), Some(("01_intro".into(), "en".into())));
        assert_eq!(
            split("001 Intro-EN"),
            Some(("001 Intro".into(), "en".into()))
        );
        assert_eq!(split("a_pt-br"), Some(("a".into(), "pt-BR".into())));
        assert_eq!(split("a_zh-cn"), Some(("a".into(), "zh-CN".into())));
        assert_eq!(
            split("a.zh_hans_cn"),
            Some(("a".into(), "zh-Hans-CN".into()))
        );
        assert_eq!(split("a.es-419"), Some(("a".into(), "es-419".into())));
        assert_eq!(split("solution"), None);
        assert_eq!(split("a.eng"), None);
        assert_eq!(split("en"), None);
    }

    #[test]
    fn labels() {
        assert_eq!(label("fr"), "Français");
        assert_eq!(label("pt-BR"), "Português (BR)");
        assert_eq!(label("aa"), "aa");
    }
}
