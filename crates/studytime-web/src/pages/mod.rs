//! One file a screen, each with its template.

mod course;
mod courses;
mod downloads;
mod home;
mod learning;
mod lesson;
mod mirrors;
mod network;
mod person;
mod settings;
mod test;

pub(crate) use course::{bookmark as course_bookmark, leave, pause, pin, show as course, start};
pub(crate) use courses::{Params, show as courses};
pub(crate) use downloads::{clean, limit, pause_all, show as downloads};
pub(crate) use home::show as home;
pub(crate) use learning::show as learning;
pub(crate) use lesson::{bookmark, done, note, show as lesson};
pub(crate) use mirrors::{
    add as add_mirror, check as check_mirror, remove as remove_mirror, show as mirrors,
};
pub(crate) use network::{connect, invite, new_invite, show as network};
pub(crate) use person::{relate, show as person};
pub(crate) use settings::{
    add_list, move_list, remove_list, save as save_settings, show as settings,
};
pub(crate) use test::submit as test;

use crate::page::Problem;
use axum::response::{IntoResponse, Redirect, Response};
use studytime_node::api::path;
use studytime_schema::FeedId;

/// The course that a path names.
pub(crate) fn course_id(text: &str) -> Result<FeedId, Problem> {
    path::feed_in_path(text)
        .ok_or_else(|| Problem::not_found("That is not the address of a course."))
}

/// The lesson number that a path names.
pub(crate) fn lesson_number(text: &str) -> Result<u64, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("Lessons are numbered; that is not a number."))
}

/// On to a page that says what was done.
fn done_at(page: &str, done: &str) -> Response {
    let (page, fragment) = page.split_once('#').unwrap_or((page, ""));
    let separator = if page.contains('?') { '&' } else { '?' };
    let hash = if fragment.is_empty() { "" } else { "#" };
    Redirect::to(&format!("{page}{separator}done={done}{hash}{fragment}")).into_response()
}
