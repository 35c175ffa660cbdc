use serde::{Deserialize, Serialize};
use studytime_schema::FeedId;
use studytime_schema::content::Level;

/// In which order courses come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    /// Best match first; without text, the same as [`Sort::Popular`].
    #[default]
    Relevance,
    /// Most learned by the people around the user; then how many of the user's
    /// lists name it, its place there, its name.
    Popular,
    /// Newest listing first.
    Newest,
    /// Fewest minutes first; courses that say no duration come last.
    Shortest,
    /// By name, accents and case ignored.
    Name,
}

/// Bands of how long a course takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DurationBand {
    /// Less than two hours.
    Short,
    /// Two hours to less than ten.
    Medium,
    /// Ten hours and more.
    Long,
}

impl DurationBand {
    /// The band that `minutes` fall into.
    pub fn of(minutes: u64) -> Self {
        match minutes {
            0..120 => Self::Short,
            120..600 => Self::Medium,
            _ => Self::Long,
        }
    }

    /// As it stands in JSON and in links.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Short => "short",
            Self::Medium => "medium",
            Self::Long => "long",
        }
    }
}

/// Which courses are asked for. The default asks for all that are not
/// deprecated, most popular first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CourseQuery {
    /// Words to look for in names, keywords, descriptions, lesson names and
    /// lesson texts; the last word may be unfinished. Anything may stand here;
    /// operators mean nothing.
    pub text: String,
    /// Only this category (upper level of the subjects), as
    /// [`SubjectCount::category`](crate::SubjectCount::category) names it, case
    /// ignored.
    pub category: Option<String>,
    /// Only this subject, as [`SubjectCount`](crate::SubjectCount) names it, case
    /// ignored.
    pub subject: Option<String>,
    /// Only this language: a BCP 47 tag; `en` also takes in `en-GB`.
    pub language: Option<String>,
    /// Only this level.
    pub level: Option<Level>,
    /// Only this provider, case ignored.
    pub provider: Option<String>,
    /// Only this licence (SPDX), case ignored.
    pub license: Option<String>,
    /// Only courses of such a length.
    pub duration: Option<DurationBand>,
    /// Only what this list of the user names.
    pub list: Option<FeedId>,
    /// `true`: only started courses; `false`: only others.
    pub started: Option<bool>,
    /// Only courses whose content is all on this device.
    pub on_device: bool,
    /// Also courses that are deprecated. Among started courses
    /// (`started: true`) they are shown in any case.
    pub include_deprecated: bool,
    /// The order.
    pub sort: Sort,
    /// How many to skip.
    pub offset: usize,
    /// Go on after this course, the last one of the page before, instead of after
    /// [`offset`](Self::offset) courses: so courses that came in meanwhile push
    /// none onto two pages, and those that went leave no gap. Where it is no longer
    /// among what is asked for, `offset` counts.
    pub after: Option<FeedId>,
    /// How many to give, at most [`CourseQuery::MAX_LIMIT`]; 20 when unset.
    pub limit: usize,
    /// Whether to count [`Page::facets`]; they are, when unset.
    pub facets: bool,
}

impl CourseQuery {
    /// The longest page.
    pub const MAX_LIMIT: usize = 1_000;

    /// All courses that contain `text`, best match first.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }
}

impl Default for CourseQuery {
    fn default() -> Self {
        Self {
            text: String::new(),
            category: None,
            subject: None,
            language: None,
            level: None,
            provider: None,
            license: None,
            duration: None,
            list: None,
            started: None,
            on_device: false,
            include_deprecated: false,
            sort: Sort::default(),
            offset: 0,
            after: None,
            limit: 20,
            facets: true,
        }
    }
}

/// A stretch of an ordered result.
///
/// The order is total (ties go by feed id), so pages neither overlap nor leave
/// gaps while the index stands still; with [`CourseQuery::after`], also while
/// courses come and go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The stretch.
    pub items: Vec<T>,
    /// How many there are in all.
    pub total: usize,
    /// How many come before it.
    pub offset: usize,
    /// How many were asked for.
    pub limit: usize,
    /// What the other filters would leave. Each facet is counted with all
    /// filters but its own, so that a page can offer the alternatives; categories
    /// also without that of the subject, which is one of a category.
    #[serde(default)]
    pub facets: Facets,
    /// Nothing (or little) matched the words as written, so similar words were
    /// taken in.
    #[serde(default)]
    pub approximate: bool,
}

/// One value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FacetCount {
    /// The value, as it goes into [`CourseQuery`].
    pub value: String,
    /// Courses that have it.
    pub count: usize,
}

/// Counts beside a list of courses; most frequent first, values without a
/// course left out, at most [`Facets::MAX_VALUES`] of each.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facets {
    /// By category.
    pub categories: Vec<FacetCount>,
    /// By subject.
    pub subjects: Vec<FacetCount>,
    /// By language (primary tag).
    pub languages: Vec<FacetCount>,
    /// By level.
    pub levels: Vec<FacetCount>,
    /// By provider.
    pub providers: Vec<FacetCount>,
    /// By licence.
    pub licenses: Vec<FacetCount>,
    /// By length.
    pub durations: Vec<FacetCount>,
    /// Started courses.
    pub started: usize,
    /// Courses that are all on this device.
    pub on_device: usize,
    /// Deprecated courses.
    pub deprecated: usize,
}

impl Facets {
    /// Values of one facet, at most.
    pub const MAX_VALUES: usize = 200;
}
