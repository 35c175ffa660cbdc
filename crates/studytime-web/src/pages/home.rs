use crate::app::App;
use crate::form::Query;
use crate::page::{Problem, Shell, html};
use crate::text;
use crate::view::{self, Category, Tile};
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use studytime_index::{CourseCard, CourseQuery, EnrolledCourse, Sort};
use studytime_node::api::{CatalogList, CourseList, Learner, Subjects, path};

/// Courses under "popular" and under "new".
const ROW: usize = 8;

/// Courses to continue with.
const CONTINUE: usize = 3;

#[derive(Template)]
#[template(path = "home.html")]
struct Home {
    shell: Shell,
    courses: usize,
    courses_text: String,
    lists_text: String,
    subjects: Vec<Category>,
    going_on: Vec<GoingOn>,
    popular: Vec<Tile>,
    newest: Vec<Tile>,
    newcomer: bool,
}

/// A course the learner is in the middle of.
pub(crate) struct GoingOn {
    pub(crate) course_href: String,
    pub(crate) href: String,
    pub(crate) name: String,
    pub(crate) cover: String,
    pub(crate) hue: u8,
    pub(crate) next: String,
    pub(crate) at: Option<String>,
    pub(crate) percent: u8,
    pub(crate) done: String,
    pub(crate) finished: bool,
    pub(crate) deprecated: bool,
    pub(crate) reason: Option<String>,
    pub(crate) replaced_by: Option<(String, String)>,
}

impl GoingOn {
    /// `started` are the cards of the started courses, for their subjects.
    pub(crate) fn new(course: EnrolledCourse, started: &[CourseCard]) -> Self {
        let course_href = path::course_path(&course.feed_id);
        let progress = &course.progress;
        let (href, next, at) = match &progress.continue_at {
            Some(at) => (
                path::lesson_path(&course.feed_id, at.lesson.lesson_number),
                view::lesson_name(&at.lesson.name, at.lesson.lesson_number),
                (at.position_seconds > 0).then(|| text::clock(at.position_seconds)),
            ),
            None => (course_href.clone(), "Open the course".to_owned(), None),
        };
        let card = started.iter().find(|card| card.feed_id == course.feed_id);
        let hue = text::hue(card.map_or("", |card| &card.category));
        Self {
            cover: view::cover(&course.feed_id, course.image.as_ref(), hue),
            hue,
            name: view::named(&course.name),
            next,
            at,
            href,
            percent: progress.percent,
            done: format!(
                "{} of {}",
                progress.lessons_done,
                text::count(progress.lessons_total as u64, "lesson", "lessons")
            ),
            finished: progress.lessons_total > 0 && progress.lessons_done >= progress.lessons_total,
            deprecated: course.deprecated,
            reason: course.deprecation_reason,
            replaced_by: course
                .replaced_by
                .map(|r| (path::course_path(&r.feed_id), view::named(&r.name))),
            course_href,
        }
    }
}

/// The cards of the courses the learner has started.
pub(crate) fn started() -> CourseList {
    CourseList {
        query: CourseQuery {
            started: Some(true),
            include_deprecated: true,
            limit: 200,
            facets: false,
            ..CourseQuery::default()
        },
    }
}

pub(crate) async fn show(State(app): State<App>, Query(query): Query) -> Result<Response, Problem> {
    let row = |sort| CourseList {
        query: CourseQuery {
            sort,
            limit: ROW,
            facets: false,
            ..CourseQuery::default()
        },
    };
    let (subjects, popular, newest, learner, lists, started) = tokio::try_join!(
        app.node.call(Subjects {}),
        app.node.call(row(Sort::Popular)),
        app.node.call(row(Sort::Newest)),
        app.node.call(Learner {}),
        app.node.call(CatalogList {}),
        app.node.call(started()),
    )?;
    let newcomer = learner.courses.is_empty();
    let going_on = learner
        .courses
        .into_iter()
        .map(|course| GoingOn::new(course, &started.items))
        .filter(|c| !c.finished)
        .take(CONTINUE)
        .collect();
    let mut shell = Shell::new(&app, "home", "Home").notice(query.get("done"));
    shell.search = false;
    html(&Home {
        shell,
        courses: popular.total,
        courses_text: text::count(popular.total as u64, "course", "courses"),
        lists_text: text::count(lists.len() as u64, "list", "lists"),
        subjects: subjects.iter().map(|s| Category::new(s, 4)).collect(),
        going_on,
        // With few courses both rows would say the same.
        newest: if newest.total > ROW {
            newest.items.into_iter().map(Tile::new).collect()
        } else {
            Vec::new()
        },
        popular: popular.items.into_iter().map(Tile::new).collect(),
        newcomer,
    })
}
