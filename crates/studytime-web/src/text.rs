//! Numbers, sizes, languages and times as a person reads them.

/// Bytes, in the units that file managers show.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64 / 1000.0;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = UNITS.get(unit).copied().unwrap_or("PB");
    if value < 9.95 {
        format!("{value:.1} {name}")
    } else {
        format!("{value:.0} {name}")
    }
}

/// A length of time given in minutes.
pub(crate) fn minutes(minutes: u64) -> String {
    let (hours, rest) = (minutes / 60, minutes % 60);
    match (hours, rest) {
        (0, m) => format!("{m} min"),
        (h, 0) => format!("{h} h"),
        (h, _) if h >= 20 => format!("{h} h"),
        (h, m) => format!("{h} h {m} min"),
    }
}

/// A place in a video: `1:02:03` or `2:03`.
pub(crate) fn clock(seconds: u64) -> String {
    let (h, m, s) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if h > 0 {
        format!("{h}:{m:02}:{s:02}")
    } else {
        format!("{m}:{s:02}")
    }
}

/// A count with its noun, in the plural where it needs one.
pub(crate) fn count(n: impl TryInto<u64>, one: &str, many: &str) -> String {
    let n = n.try_into().unwrap_or(u64::MAX);
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{} {many}", thousands(n))
    }
}

/// A number with thin spaces between thousands.
pub(crate) fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

/// Whole percent of `part` in `whole`; 100 only when it is all there.
pub(crate) fn percent(part: u64, whole: u64) -> u8 {
    if whole == 0 || part >= whole {
        return 100;
    }
    let share = u128::from(part) * 100 / u128::from(whole);
    u8::try_from(share).unwrap_or(99).min(99)
}

/// A moment: for the `datetime` attribute and, in UTC, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) iso: String,
    pub(crate) words: String,
}

/// Milliseconds since 1970 as a date; `None` for 0, which means unknown.
pub(crate) fn moment(ms: u64) -> Option<Moment> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    // Beyond year 9999 a date no longer has the form that browsers read.
    if ms == 0 || ms > 253_402_300_799_999 {
        return None;
    }
    let seconds = ms / 1000;
    let (year, month, day) = civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    let name = usize::try_from(month - 1)
        .ok()
        .and_then(|m| MONTHS.get(m))
        .copied()?;
    Some(Moment {
        iso: format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"),
        words: format!("{day} {name} {year}"),
    })
}

/// Year, month and day of a number of days since 1970 (Gregorian).
fn civil(days: u64) -> (u64, u64, u64) {
    // Years are counted from 1 March of year 0, so that leap days come last.
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

const LANGUAGES: &[(&str, &str)] = &[
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
    ("eo", "Esperanto"),
    ("es", "Español"),
    ("et", "Eesti"),
    ("eu", "Euskara"),
    ("fa", "فارسی"),
    ("fi", "Suomi"),
    ("fr", "Français"),
    ("ga", "Gaeilge"),
    ("gl", "Galego"),
    ("gu", "ગુજરાતી"),
    ("ha", "Hausa"),
    ("he", "עברית"),
    ("hi", "हिन्दी"),
    ("hr", "Hrvatski"),
    ("hu", "Magyar"),
    ("hy", "Հայերեն"),
    ("id", "Bahasa Indonesia"),
    ("is", "Íslenska"),
    ("it", "Italiano"),
    ("ja", "日本語"),
    ("ka", "ქართული"),
    ("kk", "Қазақша"),
    ("km", "ខ្មែរ"),
    ("ko", "한국어"),
    ("lt", "Lietuvių"),
    ("lv", "Latviešu"),
    ("mr", "मराठी"),
    ("ms", "Bahasa Melayu"),
    ("my", "မြန်မာ"),
    ("nb", "Norsk bokmål"),
    ("ne", "नेपाली"),
    ("nl", "Nederlands"),
    ("no", "Norsk"),
    ("pa", "ਪੰਜਾਬੀ"),
    ("pl", "Polski"),
    ("ps", "پښتو"),
    ("pt", "Português"),
    ("ro", "Română"),
    ("ru", "Русский"),
    ("si", "සිංහල"),
    ("sk", "Slovenčina"),
    ("sl", "Slovenščina"),
    ("so", "Soomaali"),
    ("sq", "Shqip"),
    ("sr", "Српски"),
    ("sv", "Svenska"),
    ("sw", "Kiswahili"),
    ("ta", "தமிழ்"),
    ("te", "తెలుగు"),
    ("th", "ไทย"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("ur", "اردو"),
    ("uz", "Oʻzbekcha"),
    ("vi", "Tiếng Việt"),
    ("yo", "Yorùbá"),
    ("zh", "中文"),
    ("zu", "isiZulu"),
];

/// A language by its own name, with the region where the tag has one.
pub(crate) fn language(tag: &str) -> String {
    let (primary, rest) = tag.split_once('-').unwrap_or((tag, ""));
    let primary = primary.to_ascii_lowercase();
    match LANGUAGES.iter().find(|(code, _)| *code == primary) {
        Some((_, name)) if rest.is_empty() => (*name).to_owned(),
        Some((_, name)) => format!("{name} ({rest})"),
        None => tag.to_owned(),
    }
}

/// The writing direction of a language: `rtl`, `ltr`, or `auto` when unknown.
pub(crate) fn direction(tag: Option<&str>) -> &'static str {
    let Some(tag) = tag else {
        return "auto";
    };
    let lower = tag.to_ascii_lowercase();
    let mut parts = lower.split('-');
    let primary = parts.next().unwrap_or_default();
    let script = parts.find(|p| p.len() == 4);
    match script {
        Some("arab" | "hebr" | "thaa" | "syrc" | "nkoo" | "adlm") => "rtl",
        Some(_) => "ltr",
        None => match primary {
            "ar" | "arc" | "ckb" | "dv" | "fa" | "he" | "iw" | "ks" | "ps" | "sd" | "ug" | "ur"
            | "yi" => "rtl",
            _ => "ltr",
        },
    }
}

/// Whether a text can stand in a `lang` attribute.
pub(crate) fn is_language_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= 35
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The built-in categories with their accents.
const ACCENTS: [(&str, u8); 12] = [
    ("Science", 0),
    ("Computer Science", 1),
    ("Engineering", 2),
    ("Mathematics", 3),
    ("Health", 4),
    ("Languages", 5),
    ("Business", 6),
    ("Social Sciences", 7),
    ("Arts", 8),
    ("Practical Skills", 9),
    ("Humanities", 10),
    ("Education", 11),
];

/// One of twelve accents for a category or any other name; the same name always
/// has the same.
pub(crate) fn hue(name: &str) -> u8 {
    if let Some((_, accent)) = ACCENTS.iter().find(|(known, _)| *known == name) {
        return *accent;
    }
    let hash = name.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0193)
    });
    u8::try_from((hash ^ (hash >> 15)) % 12).unwrap_or(0)
}

/// A licence as a person knows it, for the SPDX ids that courses use most.
pub(crate) fn licence(spdx: &str) -> String {
    let words = spdx.replace('-', " ");
    match words.strip_prefix("CC ") {
        Some(rest) if rest.starts_with("BY") => {
            let (terms, version) = rest.rsplit_once(' ').unwrap_or((rest, ""));
            format!("CC {} {version}", terms.replace(' ', "-"))
                .trim_end()
                .to_owned()
        }
        _ => match spdx {
            "CC0-1.0" => "CC0 (public domain)".to_owned(),
            other => other.to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(1_000), "1.0 kB");
        assert_eq!(size(999_600), "1.0 MB");
        assert_eq!(size(105_359_554), "105 MB");
        assert_eq!(size(u64::MAX), "18447 PB");
        assert_eq!(minutes(45), "45 min");
        assert_eq!(minutes(130), "2 h 10 min");
        assert_eq!(clock(3723), "1:02:03");
        assert_eq!(count(1_u64, "course", "courses"), "1 course");
        assert_eq!(
            count(12_345_u64, "course", "courses"),
            "12\u{202f}345 courses"
        );
    }

    #[test]
    fn percent_is_full_only_when_it_is() {
        assert_eq!(percent(0, 10), 0);
        assert_eq!(percent(9_999_999, 10_000_000), 99);
        assert_eq!(percent(10, 10), 100);
        assert_eq!(percent(0, 0), 100);
        assert_eq!(percent(u64::MAX - 1, u64::MAX), 99);
    }

    #[test]
    fn dates() {
        assert_eq!(moment(951_827_696_000).unwrap().iso, "2000-02-29T12:34:56Z");
        assert_eq!(moment(1_772_323_199_000).unwrap().words, "28 February 2026");
        assert_eq!(moment(1).unwrap().words, "1 January 1970");
        assert!(moment(0).is_none() && moment(u64::MAX).is_none());
    }

    #[test]
    fn languages() {
        assert_eq!(language("pt-BR"), "Português (BR)");
        assert_eq!(language("tlh"), "tlh");
        assert_eq!(direction(Some("fa")), "rtl");
        assert_eq!(direction(Some("az-Arab")), "rtl");
        assert_eq!(direction(Some("ar-Latn")), "ltr");
        assert_eq!(direction(None), "auto");
        assert_eq!(licence("CC-BY-SA-4.0"), "CC BY-SA 4.0");
        assert_eq!(licence("MIT"), "MIT");
    }
}
