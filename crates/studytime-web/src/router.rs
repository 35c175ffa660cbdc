use crate::app::App;
use crate::guard::{guard, not_found};
use crate::options::Options;
use crate::{api, assets, media, pages};
use axum::Router;
use axum::middleware;
use axum::routing::{get, post};
use std::sync::Arc;
use studytime_node::Handle;

/// All pages, the JSON API and the media of a node, behind the guard.
///
/// Give it the address the listener is *bound to* (through
/// [`Options::new`]): requests that name another one in `Host` are answered
/// with 421 before any route is looked at.
pub fn router(node: Handle, options: Options) -> Router {
    let options = Arc::new(options);
    let app = App {
        node,
        options: Arc::clone(&options),
    };
    Router::new()
        .merge(screens())
        .nest("/api", calls())
        .route("/media/{id}", get(media::media))
        .route("/blob/{id}", get(media::blob))
        .route("/captions/{id}", get(media::captions))
        .route("/cover/{name}", get(media::cover))
        .route("/static/{hash}/{name}", get(assets::serve))
        .route("/favicon.ico", get(assets::favicon))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(options, guard))
        .with_state(app)
}

fn screens() -> Router<App> {
    Router::new()
        .route("/", get(pages::home))
        .route("/courses", get(pages::courses))
        .route("/course/{id}", get(pages::course))
        .route("/course/{id}/start", post(pages::start))
        .route("/course/{id}/leave", post(pages::leave))
        .route("/course/{id}/pin", post(pages::pin))
        .route("/course/{id}/pause", post(pages::pause))
        .route("/course/{id}/limit", post(pages::limit))
        .route("/course/{id}/bookmark", post(pages::course_bookmark))
        .route("/course/{id}/lesson/{number}", get(pages::lesson))
        .route("/course/{id}/lesson/{number}/done", post(pages::done))
        .route("/course/{id}/lesson/{number}/note", post(pages::note))
        .route(
            "/course/{id}/lesson/{number}/bookmark",
            post(pages::bookmark),
        )
        .route(
            "/course/{id}/lesson/{number}/test/{item}",
            post(pages::test),
        )
        .route("/learning", get(pages::learning))
        .route("/downloads", get(pages::downloads))
        .route("/downloads/clean", post(pages::clean))
        .route("/downloads/pause", post(pages::pause_all))
        .route("/mirrors", get(pages::mirrors))
        .route("/mirrors/add", post(pages::add_mirror))
        .route("/mirrors/remove", post(pages::remove_mirror))
        .route("/mirrors/check", post(pages::check_mirror))
        .route("/network", get(pages::network))
        .route("/network/connect", post(pages::connect))
        .route("/network/invite", post(pages::invite))
        .route("/network/new-invite", post(pages::new_invite))
        .route("/person/{id}", get(pages::person).post(pages::relate))
        .route("/settings", get(pages::settings).post(pages::save_settings))
        .route("/settings/lists/add", post(pages::add_list))
        .route("/settings/lists/remove", post(pages::remove_list))
        .route("/settings/lists/move", post(pages::move_list))
}

fn calls() -> Router<App> {
    Router::new()
        .route("/status", get(api::status))
        .route("/subjects", get(api::subjects))
        .route("/courses", get(api::courses))
        .route("/suggest", get(api::suggest))
        .route("/course/{id}", get(api::course))
        .route("/course/{id}/lesson/{number}", get(api::lesson))
        .route("/course/{id}/lesson/{number}/done", post(api::done))
        .route("/learner", get(api::learner))
        .route("/events", get(api::events))
        .route("/position", post(api::position))
        .fallback(api::not_found)
}
