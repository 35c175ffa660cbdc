//! What stands behind a stem: languages, sorts of tracks, double extensions.

use crate::draft::TrackKind;
use crate::kind::Kind;
use crate::language;
use crate::names::stem;
use crate::tree::File;
use std::collections::{BTreeMap, BTreeSet};

/// The stem that says what a file belongs to.
pub(crate) fn own_stem(file: &File) -> String {
    let name = file.name();
    let cut = |suffix: &str| {
        let at = name.len().checked_sub(suffix.len())?;
        let tail = name.get(at..)?;
        tail.eq_ignore_ascii_case(suffix)
            .then(|| name.get(..at).unwrap_or(name).to_owned())
    };
    let long = match file.kind {
        Kind::Test => cut(".quiz.json"),
        Kind::Info => cut(".info.json"),
        Kind::Document => [".tar.gz", ".tar.xz", ".tar.bz2"]
            .iter()
            .find_map(|s| cut(s)),
        _ => None,
    };
    long.unwrap_or_else(|| stem(name).to_owned())
}

/// A reading of a caption's or transcript's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrackName {
    /// The stem of what it belongs to.
    pub(crate) base: String,
    pub(crate) language: Option<String>,
    pub(crate) kind: TrackKind,
}

/// All readings of a stem, the longest base first: `a.captions.en` may be a
/// track of `a.captions.en`, of `a.captions` in English, or captions of `a`.
pub(crate) fn track_names(stem: &str) -> Vec<TrackName> {
    let mut out = vec![TrackName {
        base: stem.to_owned(),
        language: None,
        kind: TrackKind::Subtitles,
    }];
    for _ in 0..2 {
        let Some(last) = out.last().cloned() else {
            break;
        };
        if let Some((base, tag)) =
            language::split_suffix(&last.base).filter(|_| last.language.is_none())
        {
            out.push(TrackName {
                base: base.to_owned(),
                language: Some(tag),
                kind: last.kind,
            });
        } else if let Some((base, kind)) = split_kind(&last.base) {
            out.push(TrackName {
                base: base.to_owned(),
                language: last.language,
                kind,
            });
        }
    }
    out
}

fn split_kind(stem: &str) -> Option<(&str, TrackKind)> {
    let at = stem.rfind(['.', '-', '_'])?;
    let kind = match stem.get(at + 1..)?.to_ascii_lowercase().as_str() {
        "captions" | "cc" | "sdh" => TrackKind::Captions,
        "subtitles" | "subs" => TrackKind::Subtitles,
        "chapters" => TrackKind::Chapters,
        "descriptions" => TrackKind::Descriptions,
        _ => return None,
    };
    Some((stem.get(..at).filter(|b| !b.is_empty())?, kind))
}

/// Among texts that differ only in a language suffix, keeps one. Returns the
/// stem it goes by.
pub(crate) fn choose_language(
    usable: &[(usize, &File)],
    anchors: &BTreeSet<String>,
    wanted: Option<&str>,
    dropped: &mut Vec<(usize, String)>,
) -> BTreeMap<usize, String> {
    type Variants = Vec<(usize, Option<String>)>;
    let mut sets: BTreeMap<(String, Kind), Variants> = BTreeMap::new();
    let plain: BTreeSet<(String, Kind)> = usable
        .iter()
        .filter(|(_, f)| f.kind.is_body())
        .map(|(_, f)| (own_stem(f), f.kind))
        .collect();
    for (index, file) in usable.iter().filter(|(_, f)| f.kind.is_body()) {
        let own = own_stem(file);
        let split = language::split_suffix(&own).map(|(base, tag)| (base.to_owned(), tag));
        match split {
            // Transcripts of a video in several languages are another matter.
            Some((base, _)) if file.kind == Kind::Text && anchors.contains(&base) => {}
            Some((base, tag)) => sets
                .entry((base, file.kind))
                .or_default()
                .push((*index, Some(tag))),
            None => sets
                .entry((own, file.kind))
                .or_default()
                .push((*index, None)),
        }
    }
    let mut renamed = BTreeMap::new();
    for ((base, kind), variants) in sets {
        let has_plain = plain.contains(&(base.clone(), kind));
        if variants.len() < 2 {
            continue;
        }
        let tagged = |test: &dyn Fn(&str) -> bool| {
            variants
                .iter()
                .find(|(_, tag)| tag.as_deref().is_some_and(test))
        };
        let wish = wanted.and_then(|w| {
            tagged(&|t| t.eq_ignore_ascii_case(w))
                .or_else(|| tagged(&|t| language::primary(t) == language::primary(w)))
        });
        let chosen = wish
            .or_else(|| {
                variants
                    .iter()
                    .find(|(_, tag)| tag.is_none())
                    .filter(|_| has_plain)
            })
            .or_else(|| tagged(&|t| language::primary(t) == "en"))
            .or_else(|| variants.first());
        let Some((chosen, _)) = chosen else { continue };
        renamed.insert(*chosen, base);
        for (index, tag) in &variants {
            if index != chosen {
                let tag = tag.clone().unwrap_or_default();
                dropped.push((*index, tag));
            }
        }
    }
    renamed
}
