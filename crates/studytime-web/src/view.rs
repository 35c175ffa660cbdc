//! What the templates show: words made from the node's replies.

use crate::{icons, text};
use studytime_index::{CourseCard, SnippetPart};
use studytime_node::api::path;
use studytime_schema::content::Level;
use studytime_schema::subjects::GENERAL;
use studytime_schema::{BlobId, FeedId};

/// A course in a grid.
pub(crate) struct Tile {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) dir: &'static str,
    pub(crate) lang: Option<String>,
    pub(crate) cover: String,
    pub(crate) hue: u8,
    pub(crate) subject: String,
    pub(crate) provider: Option<String>,
    pub(crate) blurb: Option<String>,
    pub(crate) snippet: Vec<SnippetPart>,
    pub(crate) hit: Option<Hit>,
    pub(crate) level: Option<&'static str>,
    pub(crate) duration: Option<String>,
    pub(crate) language: Option<String>,
    pub(crate) lessons: Option<String>,
    pub(crate) size: Option<String>,
    pub(crate) on_device: bool,
    pub(crate) learners: Option<String>,
    pub(crate) percent: Option<u8>,
    pub(crate) deprecated: bool,
}

/// A lesson that a search found.
pub(crate) struct Hit {
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) snippet: Vec<SnippetPart>,
}

impl Tile {
    pub(crate) fn new(card: CourseCard) -> Self {
        let hue = text::hue(&card.category);
        Self {
            href: path::course_path(&card.feed_id),
            cover: cover(&card.feed_id, card.image.as_ref(), hue),
            hue,
            name: named(&card.name),
            dir: text::direction(card.language.as_deref()),
            lang: card.language.clone().filter(|l| text::is_language_tag(l)),
            // "General" alone does not say of what.
            subject: match card.subject == GENERAL {
                true => card.category,
                false => card.subject,
            },
            provider: card.provider,
            blurb: card
                .description
                .map(|d| crate::markup::summary(&d, 160))
                .filter(|d| !d.is_empty()),
            snippet: card.snippet.map(|s| s.parts).unwrap_or_default(),
            hit: card.hit.map(|hit| Hit {
                href: path::lesson_path(&card.feed_id, hit.lesson_number),
                name: lesson_name(&hit.name, hit.lesson_number),
                snippet: hit.snippet.parts,
            }),
            level: card.level.map(level),
            duration: card.duration_minutes.map(text::minutes),
            language: card.language.as_deref().map(text::language),
            lessons: (card.lessons > 0)
                .then(|| text::count(card.lessons as u64, "lesson", "lessons")),
            size: (card.bytes_total > 0).then(|| text::size(card.bytes_total)),
            on_device: card.on_device && card.lessons > 0,
            learners: (card.learners > 0)
                .then(|| text::count(card.learners, "learner", "learners")),
            percent: if card.started {
                Some(card.percent.unwrap_or(0))
            } else {
                None
            },
            deprecated: card.deprecated,
        }
    }
}

/// Where a course's picture is: its own, or one drawn for it.
pub(crate) fn cover(course: &FeedId, image: Option<&BlobId>, hue: u8) -> String {
    match image {
        Some(image) => path::blob_path(image),
        None => format!("/cover/{}-{hue}.svg", path::feed_segment(course)),
    }
}

/// A level with a capital letter.
pub(crate) fn level(level: Level) -> &'static str {
    match level {
        Level::Beginner => "Beginner",
        Level::Intermediate => "Intermediate",
        Level::Advanced => "Advanced",
    }
}

/// A course's name, or what stands for it until it is known.
pub(crate) fn named(name: &str) -> String {
    if name.trim().is_empty() {
        "A course that has not arrived yet".to_owned()
    } else {
        name.to_owned()
    }
}

/// A lesson's name, or its number while it has none.
pub(crate) fn lesson_name(name: &str, number: u64) -> String {
    if name.trim().is_empty() {
        format!("Lesson {number}")
    } else {
        name.to_owned()
    }
}

/// A category with its subjects, as the home page shows it.
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) href: String,
    pub(crate) icon: &'static str,
    pub(crate) hue: u8,
    pub(crate) count: String,
    pub(crate) subjects: Vec<(String, String, String)>,
}

impl Category {
    pub(crate) fn new(count: &studytime_index::SubjectCount, most: usize) -> Self {
        let hue = text::hue(&count.category);
        let subjects = count.subjects.iter().take(most);
        Self {
            href: query_path("/courses", &[("category", &count.category)]),
            icon: icons::for_category(&count.category),
            hue,
            count: text::count(count.count as u64, "course", "courses"),
            subjects: subjects
                .map(|s| {
                    // With its category: "General" is a subject of many.
                    let both = [("category", &*count.category), ("subject", &s.subject)];
                    let href = query_path("/courses", &both);
                    (s.subject.clone(), href, text::thousands(s.count as u64))
                })
                .collect(),
            name: count.category.clone(),
        }
    }
}

/// A path with a query.
pub(crate) fn query_path(base: &str, pairs: &[(&str, &str)]) -> String {
    let mut out = base.to_owned();
    for (i, (name, value)) in pairs.iter().enumerate() {
        out.push(if i == 0 { '?' } else { '&' });
        out.push_str(name);
        out.push('=');
        path::percent_encode(value, &mut out);
    }
    out
}
