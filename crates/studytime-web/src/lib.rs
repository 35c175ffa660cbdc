//! The learner's pages and JSON API of StudyTime, as an [`axum::Router`] over a
//! [`Handle`](studytime_node::Handle) to a node.
//!
//! The pages are made on the server and work without scripts, by keyboard and
//! on narrow screens; one small script of their own adds suggestions, a better
//! player and live progress. Nothing is loaded from elsewhere: lessons are
//! untrusted, so their text is [sanitised](markup), pictures come from the
//! node's blobs, and a strict content security policy holds whatever slipped
//! through. The pages answer only to the names they are told
//! ([`Options`]), and change something only on forms they made themselves.
//!
//! ```
//! # async fn run(node: studytime_node::Handle) -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let options = studytime_web::Options::new(listener.local_addr()?);
//! studytime_web::serve(listener, studytime_web::router(node, options)).await
//! # }
//! ```
//!
//! `/`, `/courses`, `/course/ID`, `/course/ID/lesson/N`, `/learning`,
//! `/downloads`, `/mirrors`, `/network`, `/person/ID` and `/settings` are the screens;
//! `/api/…` is the JSON API; `/media/ID`, `/blob/ID` and `/captions/ID.vtt`
//! serve content, `/media` with byte ranges and while it is still arriving.

mod api;
mod app;
mod assets;
mod cover;
mod form;
mod guard;
mod icons;
pub mod markup;
mod media;
mod options;
mod page;
mod pages;
mod questions;
mod router;
mod text;
mod view;

pub use options::{MAX_BODY, Options};
pub use router::router;

/// Serves the pages on a listener until the future is dropped.
///
/// # Errors
/// None so far: failures to accept a connection are waited out.
pub async fn serve(listener: tokio::net::TcpListener, router: axum::Router) -> std::io::Result<()> {
    axum::serve(listener, router).await
}
