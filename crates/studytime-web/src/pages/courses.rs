use crate::app::App;
use crate::form::{Fields, Query};
use crate::page::{Problem, Shell, html};
use crate::text;
use crate::view::{self, Tile};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use studytime_index::{CourseQuery, DurationBand, FacetCount, Facets, Sort};
use studytime_node::api::{CatalogList, CourseList, path};
use studytime_schema::FeedId;
use studytime_schema::content::Level;
use studytime_schema::subjects::GENERAL;

/// Courses on a page.
const PAGE: usize = 24;

/// Longest search text that is passed on, in characters.
const MAX_TEXT: usize = 200;

/// Most values of one filter that are offered.
const MAX_CHOICES: usize = 40;

/// What the address asks for.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Params {
    q: String,
    category: Option<String>,
    subject: Option<String>,
    language: Option<String>,
    level: Option<Level>,
    duration: Option<DurationBand>,
    license: Option<String>,
    provider: Option<String>,
    list: Option<FeedId>,
    here: bool,
    started: bool,
    deprecated: bool,
    sort: Option<Sort>,
    page: usize,
    /// The last course of the page before.
    after: Option<FeedId>,
}

impl Params {
    pub(crate) fn read(fields: &Fields) -> Self {
        let text = |name: &str| {
            fields
                .get(name)
                .map(|v| v.chars().take(MAX_TEXT).collect::<String>())
        };
        Self {
            q: text("q").unwrap_or_default(),
            category: text("category"),
            subject: text("subject"),
            language: text("language"),
            level: fields.read("level"),
            duration: fields.get("duration").and_then(band),
            license: text("license"),
            provider: text("provider"),
            list: fields.get("list").and_then(path::feed_in_path),
            here: fields.ticked("here"),
            started: fields.ticked("started"),
            deprecated: fields.ticked("deprecated"),
            sort: fields.get("sort").and_then(sort),
            page: fields.read("page").unwrap_or(1).clamp(1, 100_000),
            after: fields.get("after").and_then(path::feed_in_path),
        }
    }

    /// What the index is asked.
    pub(crate) fn query(&self) -> CourseQuery {
        CourseQuery {
            text: self.q.clone(),
            category: self.category.clone(),
            subject: self.subject.clone(),
            language: self.language.clone(),
            level: self.level,
            provider: self.provider.clone(),
            license: self.license.clone(),
            duration: self.duration,
            list: self.list,
            started: self.started.then_some(true),
            on_device: self.here,
            include_deprecated: self.deprecated,
            sort: self.sort.unwrap_or_default(),
            offset: (self.page - 1) * PAGE,
            after: self.after,
            limit: PAGE,
            facets: true,
        }
    }

    /// The address of these courses.
    pub(crate) fn href(&self) -> String {
        let segment = |id: &Option<FeedId>| id.as_ref().map(path::feed_segment);
        let list = segment(&self.list).unwrap_or_default();
        let after = segment(&self.after).unwrap_or_default();
        let page = self.page.to_string();
        let flag = |on: bool| if on { "1" } else { "" };
        let all = [
            ("q", self.q.as_str()),
            ("category", self.category.as_deref().unwrap_or_default()),
            ("subject", self.subject.as_deref().unwrap_or_default()),
            ("language", self.language.as_deref().unwrap_or_default()),
            ("level", self.level.map(Level::as_str).unwrap_or_default()),
            (
                "duration",
                self.duration.map(DurationBand::as_str).unwrap_or_default(),
            ),
            ("license", self.license.as_deref().unwrap_or_default()),
            ("provider", self.provider.as_deref().unwrap_or_default()),
            ("list", list.as_str()),
            ("here", flag(self.here)),
            ("started", flag(self.started)),
            ("deprecated", flag(self.deprecated)),
            ("sort", self.sort.map(sort_word).unwrap_or_default()),
            ("page", if self.page > 1 { page.as_str() } else { "" }),
            ("after", after.as_str()),
        ];
        let set: Vec<_> = all
            .into_iter()
            .filter(|(_, value)| !value.is_empty())
            .collect();
        view::query_path("/courses", &set)
    }

    /// Whether a subject's name says enough here: "General" is one of many
    /// categories.
    fn names(&self, subject: &str) -> bool {
        self.category.is_some() || subject != GENERAL
    }

    /// The address with one thing changed, from the first page on.
    fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut other = self.clone();
        other.page = 1;
        other.after = None;
        change(&mut other);
        other.href()
    }

    /// The address of another page; the next one goes on after a course, so that
    /// nothing is told twice when courses came in meanwhile.
    fn on_page(&self, page: usize, after: Option<FeedId>) -> String {
        Self {
            page,
            after,
            ..self.clone()
        }
        .href()
    }
}

fn band(word: &str) -> Option<DurationBand> {
    [
        DurationBand::Short,
        DurationBand::Medium,
        DurationBand::Long,
    ]
    .into_iter()
    .find(|b| b.as_str() == word)
}

fn band_words(word: &str) -> &'static str {
    match word {
        "short" => "Less than 2 hours",
        "medium" => "2 to 10 hours",
        _ => "10 hours and more",
    }
}

const SORTS: [(Sort, &str, &str); 5] = [
    (Sort::Relevance, "relevance", "Best match"),
    (Sort::Popular, "popular", "Most popular"),
    (Sort::Newest, "newest", "Newest"),
    (Sort::Shortest, "shortest", "Shortest"),
    (Sort::Name, "name", "By name"),
];

fn sort(word: &str) -> Option<Sort> {
    SORTS
        .iter()
        .find(|(_, w, _)| *w == word)
        .map(|(s, _, _)| *s)
}

fn sort_word(sort: Sort) -> &'static str {
    SORTS
        .iter()
        .find(|(s, _, _)| *s == sort)
        .map_or("relevance", |(_, w, _)| w)
}

/// The orders that are offered. Without words there is no best match: then the
/// same choice is the most popular, so that it still means the best match once
/// words are typed.
fn sorts(params: &Params) -> Vec<Choice> {
    let words = !params.q.is_empty();
    let sort = match params.sort.unwrap_or_default() {
        Sort::Popular if !words => Sort::Relevance,
        sort => sort,
    };
    let offered = SORTS.iter().filter(|(s, ..)| words || *s != Sort::Popular);
    let choice = |(of, word, label): &(Sort, &str, &'static str)| Choice {
        value: (*word).to_owned(),
        label: match of {
            Sort::Relevance if !words => "Most popular".to_owned(),
            _ => (*label).to_owned(),
        },
        chosen: *of == sort,
    };
    offered.map(choice).collect()
}

/// A drop-down of a filter.
struct Filter {
    name: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

/// A filter that is on, and the address without it.
struct Chip {
    label: String,
    href: String,
}

#[derive(Template)]
#[template(path = "courses.html")]
struct Courses {
    shell: Shell,
    heading: String,
    params: Params,
    list: String,
    filters: Vec<Filter>,
    sorts: Vec<Choice>,
    here: usize,
    started: usize,
    deprecated: usize,
    chips: Vec<Chip>,
    total: String,
    approximate: bool,
    tiles: Vec<Tile>,
    first: usize,
    last: usize,
    previous: Option<String>,
    next: Option<String>,
    nothing_at_all: bool,
    /// The words without any filter, where both found nothing.
    unfiltered: Option<String>,
    subjects: Vec<(String, String, String)>,
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    let params = Params::read(&query);
    let (page, lists) = tokio::try_join!(
        app.node.call(CourseList {
            query: params.query()
        }),
        app.node.call(CatalogList {}),
    )?;
    let list_name = params.list.map(|id| {
        let known = lists.iter().find(|list| list.id == id);
        known.map_or_else(|| id.short(), |list| list.name.clone())
    });
    let heading = match (&params.q, &params.subject, &params.category, &list_name) {
        // Set apart, so that words of any direction stand as they were typed.
        (q, ..) if !q.is_empty() => format!("Courses for “\u{2068}{q}\u{2069}”"),
        (_, Some(subject), ..) => subject.clone(),
        (_, _, Some(category), _) => category.clone(),
        (_, _, _, Some(list)) => list.clone(),
        _ => "Courses".to_owned(),
    };
    let mut shell = Shell::new(&app, "courses", heading.clone());
    shell.search = false;
    let shown = page.items.len();
    let last = page.items.last().map(|card| card.feed_id);
    let chips = chips(&params, list_name.as_deref());
    html(&Courses {
        shell,
        heading,
        list: params
            .list
            .as_ref()
            .map(path::feed_segment)
            .unwrap_or_default(),
        filters: filters(&params, &page.facets),
        sorts: sorts(&params),
        here: page.facets.on_device,
        started: page.facets.started,
        deprecated: page.facets.deprecated,
        nothing_at_all: page.total == 0 && chips.is_empty(),
        unfiltered: (!params.q.is_empty() && chips.len() > 1).then(|| {
            let words = Params {
                q: params.q.clone(),
                page: 1,
                ..Params::default()
            };
            words.href()
        }),
        chips,
        total: text::count(page.total as u64, "course", "courses"),
        approximate: page.approximate,
        first: if shown == 0 { 0 } else { page.offset + 1 },
        last: page.offset + shown,
        previous: (params.page > 1).then(|| params.on_page(params.page - 1, None)),
        next: (page.offset + shown < page.total && shown > 0)
            .then(|| params.on_page(params.page + 1, last)),
        subjects: page
            .facets
            .subjects
            .iter()
            .filter(|s| params.subject.is_none() && params.names(&s.value))
            .take(10)
            .map(|s| {
                let href = params.with(|p| p.subject = Some(s.value.clone()));
                (s.value.clone(), href, text::thousands(s.count as u64))
            })
            .collect(),
        tiles: page.items.into_iter().map(Tile::new).collect(),
        params,
    })
}

fn filters(params: &Params, facets: &Facets) -> Vec<Filter> {
    let make =
        |name, label, counts: &[FacetCount], chosen: Option<&str>, words: fn(&str) -> String| {
            let mut choices: Vec<Choice> = counts
                .iter()
                .take(MAX_CHOICES)
                .map(|count| Choice {
                    label: format!(
                        "{} ({})",
                        words(&count.value),
                        text::thousands(count.count as u64)
                    ),
                    chosen: chosen.is_some_and(|c| c.eq_ignore_ascii_case(&count.value)),
                    value: count.value.clone(),
                })
                .collect();
            // A chosen value without a course must stay choosable, or it could not be seen.
            if let Some(value) = chosen.filter(|_| choices.iter().all(|c| !c.chosen)) {
                choices.push(Choice {
                    label: words(value),
                    value: value.to_owned(),
                    chosen: true,
                });
            }
            Filter {
                name,
                label,
                choices,
            }
        };
    let subjects = facets.subjects.iter();
    let named: Vec<FacetCount> = subjects
        .filter(|s| params.names(&s.value))
        .cloned()
        .collect();
    let same = |value: &str| value.to_owned();
    let level = |value: &str| {
        value
            .parse()
            .map_or_else(|_| value.to_owned(), |l| view::level(l).to_owned())
    };
    let all = [
        make(
            "category",
            "Field",
            &facets.categories,
            params.category.as_deref(),
            same,
        ),
        make(
            "subject",
            "Subject",
            &named,
            params.subject.as_deref(),
            same,
        ),
        make(
            "language",
            "Language",
            &facets.languages,
            params.language.as_deref(),
            text::language,
        ),
        make(
            "level",
            "Level",
            &facets.levels,
            params.level.map(Level::as_str),
            level,
        ),
        make(
            "duration",
            "Length",
            &facets.durations,
            params.duration.map(DurationBand::as_str),
            |v| band_words(v).to_owned(),
        ),
        make(
            "license",
            "Licence",
            &facets.licenses,
            params.license.as_deref(),
            text::licence,
        ),
        make(
            "provider",
            "Made by",
            &facets.providers,
            params.provider.as_deref(),
            same,
        ),
    ];
    all.into_iter().filter(|f| !f.choices.is_empty()).collect()
}

fn chips(params: &Params, list: Option<&str>) -> Vec<Chip> {
    let mut chips = Vec::new();
    let mut chip = |label: String, href: String| chips.push(Chip { label, href });
    if !params.q.is_empty() {
        chip(format!("“{}”", params.q), params.with(|p| p.q.clear()));
    }
    if let Some(value) = &params.category {
        chip(value.clone(), params.with(|p| p.category = None));
    }
    if let Some(value) = &params.subject {
        chip(value.clone(), params.with(|p| p.subject = None));
    }
    if let Some(value) = &params.language {
        chip(text::language(value), params.with(|p| p.language = None));
    }
    if let Some(value) = params.level {
        chip(
            view::level(value).to_owned(),
            params.with(|p| p.level = None),
        );
    }
    if let Some(value) = params.duration {
        chip(
            band_words(value.as_str()).to_owned(),
            params.with(|p| p.duration = None),
        );
    }
    if let Some(value) = &params.license {
        chip(text::licence(value), params.with(|p| p.license = None));
    }
    if let Some(value) = &params.provider {
        chip(format!("By {value}"), params.with(|p| p.provider = None));
    }
    if let Some(name) = list {
        chip(format!("On {name}"), params.with(|p| p.list = None));
    }
    if params.here {
        chip("On this device".to_owned(), params.with(|p| p.here = false));
    }
    if params.started {
        chip("Started".to_owned(), params.with(|p| p.started = false));
    }
    if params.deprecated {
        chip(
            "With outdated ones".to_owned(),
            params.with(|p| p.deprecated = false),
        );
    }
    chips
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back() {
        let list = FeedId::from_bytes([9; 32]);
        let params = Params {
            q: "a b&c".to_owned(),
            category: Some("Science & nature".to_owned()),
            subject: Some("Café".to_owned()),
            language: Some("pt-BR".to_owned()),
            level: Some(Level::Advanced),
            duration: Some(DurationBand::Long),
            license: Some("CC-BY-4.0".to_owned()),
            provider: Some("Some + One".to_owned()),
            list: Some(list),
            here: true,
            started: true,
            deprecated: true,
            sort: Some(Sort::Newest),
            page: 3,
            after: Some(FeedId::from_bytes([8; 32])),
        };
        let href = params.href();
        let (_, query) = href.split_once('?').unwrap();
        assert_eq!(Params::read(&Fields::parse(query)), params);
        assert_eq!(Params::read(&Fields::default()).href(), "/courses");
    }

    #[test]
    fn odd_addresses_ask_for_something_sensible() {
        for query in [
            "page=0",
            "page=-1",
            "page=99999999999999999999",
            "level=x&sort=x&duration=",
            "list=zz",
        ] {
            let params = Params::read(&Fields::parse(query));
            assert!(
                params.page >= 1 && params.query().offset < 10_000_000,
                "{query}"
            );
        }
        let long = format!("q={}", "x".repeat(5000));
        assert_eq!(Params::read(&Fields::parse(&long)).q.len(), MAX_TEXT);
    }

    #[test]
    fn the_order_offered_first_fits_what_is_asked() {
        let offered = |query: &str| -> Vec<(String, String, bool)> {
            let all = sorts(&Params::read(&Fields::parse(query)));
            all.into_iter()
                .map(|c| (c.value, c.label, c.chosen))
                .collect()
        };
        let first = |query: &str| {
            let all = offered(query);
            assert_eq!(all.iter().filter(|(.., chosen)| *chosen).count(), 1);
            let popular = all.iter().filter(|(_, label, _)| label == "Most popular");
            assert_eq!(popular.count(), 1, "{query}");
            all.into_iter().find(|(.., chosen)| *chosen).unwrap().1
        };
        assert_eq!(first(""), "Most popular");
        assert_eq!(first("sort=popular"), "Most popular");
        assert_eq!(first("q=x"), "Best match");
        assert_eq!(first("q=x&sort=popular"), "Most popular");
        assert_eq!(first("sort=newest"), "Newest");
        // Words that are typed next are looked for by the best match.
        assert_eq!(offered("sort=popular")[0].0, "relevance");
    }

    #[test]
    fn another_page_begins_where_this_one_ends() {
        let params = Params::read(&Fields::parse("q=x&level=beginner&page=2"));
        let last = FeedId::from_bytes([7; 32]);
        let next = Params::read(&Fields::parse(
            params
                .on_page(3, Some(last))
                .split_once('?')
                .map_or("", |(_, query)| query),
        ));
        assert_eq!(next.query().after, Some(last));
        assert_eq!(
            (next.query().offset, next.level),
            (48, Some(Level::Beginner))
        );
        // Any other filter begins anew.
        assert_eq!(next.with(|p| p.level = None), "/courses?q=x");
    }

    #[test]
    fn a_chip_takes_its_filter_away() {
        let params = Params::read(&Fields::parse("q=x&level=beginner&page=4"));
        let chips = chips(&params, None);
        assert_eq!(chips[0].href, "/courses?level=beginner");
        assert_eq!(chips[1].href, "/courses?q=x");
    }
}
