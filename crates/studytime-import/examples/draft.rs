//! Prints what importing a folder or archive would publish.
//!
//! `cargo run -p studytime-import --example draft -- FOLDER [LANGUAGE]`
#![allow(clippy::print_stdout)]

use std::path::Path;
use studytime_import::{DryRun, Import, Options};
use studytime_schema::FeedId;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().ok_or("say which folder or zip archive")?;
    let options = Options {
        language: args.next(),
        ..Options::default()
    };
    let mut import = Import::open(Path::new(&path), &options)?;
    print!("{}", import.draft());
    let done = import.publish_new(FeedId::from_bytes([0; 32]), &mut DryRun::default())?;
    println!(
        "would publish {} messages and {} blobs of {} bytes",
        done.messages, done.blobs, done.bytes
    );
    Ok(())
}
