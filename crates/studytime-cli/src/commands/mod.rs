//! What each command does, one file a noun.

mod backup;
mod blob;
mod browser;
mod catalog;
mod check;
mod course;
mod downloads;
mod feed;
mod follow;
mod import;
mod lesson;
mod mirror;
mod note;
mod peer;
mod progress;
mod serve;
mod status;

use crate::args::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;
use studytime_node::api::Relation;

/// Does what was typed.
pub(crate) async fn run(cli: Cli) -> Result<(), Failure> {
    if matches!(cli.command, Some(Command::Demo(_))) && cli.global.data_dir.is_some() {
        return Err(Failure::usage(
            "the demo lives in a directory of its own and is deleted at its end; to keep things, run `studytime` with --data-dir",
        ));
    }
    let context = Context::new(cli.global)?;
    let Some(command) = cli.command else {
        return serve::plain(&context).await;
    };
    match command {
        Command::Serve(serve) => serve::serve(&context, serve).await,
        Command::Demo(demo) => serve::demo(context, demo).await,
        Command::Whoami => status::whoami(&context).await,
        Command::Status => status::status(&context).await,
        Command::Doctor => status::doctor(&context).await,
        Command::Import(import) => import::run(&context, import).await,
        Command::Catalog(catalog) => catalog::run(&context, catalog).await,
        Command::Course(course) => course::run(&context, *course).await,
        Command::Lesson(lesson) => lesson::run(&context, lesson).await,
        Command::Note(note) => note::run(&context, note).await,
        Command::Progress { id } => progress::run(&context, id).await,
        Command::Peer(peer) => peer::run(&context, peer).await,
        Command::Follow { id } => follow::run(&context, id, Relation::Follow).await,
        Command::Unfollow { id } => follow::run(&context, id, Relation::Unfollow).await,
        Command::Block { id, undo: false } => follow::run(&context, id, Relation::Block).await,
        Command::Block { id, undo: true } => follow::run(&context, id, Relation::Unblock).await,
        Command::Blob(blob) => blob::run(&context, blob).await,
        Command::Downloads(args) => downloads::run(&context, args).await,
        Command::Mirror(args) => mirror::run(&context, args).await,
        Command::Backup(args) => backup::backup(&context, args).await,
        Command::Restore(restore) => backup::restore(&context, restore).await,
        Command::Feed(feed) => feed::run(&context, feed).await,
    }
}
