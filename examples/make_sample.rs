//! Makes the sample that is bundled with the program: imports a folder on a
//! throwaway node, puts it on a list, and writes the signed messages and blobs.
//! The keys go with the throwaway node, so nobody can publish on these feeds again.
//!
//! ```sh
//! cargo run --example make_sample -- examples/sample-course crates/studytime-node/sample
//! ```

#![allow(clippy::print_stdout, reason = "a program for people")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use studytime_node::Builder;
use studytime_node::api::{BlobList, CatalogList, FeedLog, Import};

const LIST: &str = "StudyTime samples";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1).map(PathBuf::from);
    let (Some(folder), Some(out)) = (args.next(), args.next()) else {
        return Err("usage: make_sample FOLDER OUT".into());
    };
    let dir = tempfile::tempdir()?;
    let node = Builder::new(dir.path()).default_lists(false).open().await?;
    let h = node.handle();
    let made = h
        .call(Import {
            catalog: Some(LIST.into()),
            ..Import::new(std::fs::canonicalize(folder)?)
        })
        .await?;
    let course = made.course.ok_or("no course was made")?;
    let list = h.call(CatalogList {}).await?[0].id;

    let mut messages = String::new();
    for feed in [list, course] {
        for message in h
            .call(FeedLog {
                id: feed,
                from: 1,
                limit: 10_000,
            })
            .await?
        {
            writeln!(messages, "{}", message.value)?;
        }
    }
    let mut blobs = Vec::new();
    for blob in h.call(BlobList {}).await? {
        let bytes = h.blob(blob.id, Duration::from_secs(1)).await?;
        blobs.extend(u32::try_from(bytes.len())?.to_be_bytes());
        blobs.extend_from_slice(&bytes);
    }
    let defaults = format!(
        "# Course lists that are wanted until the user chooses lists; order counts.\n\
         # A build may ship its own: see docs/operations.md.\n\n\
         [[list]]\nfeed = \"{list}\"\nname = \"{LIST}\"\n# Where to find it: multiserver addresses. The sample is bundled and has none.\naddresses = []\n"
    );
    std::fs::create_dir_all(&out)?;
    std::fs::write(out.join("defaults.toml"), defaults)?;
    std::fs::write(out.join("messages.jsonl"), &messages)?;
    std::fs::write(out.join("blobs.bin"), &blobs)?;
    println!("list   {list}\ncourse {course}");
    println!(
        "{} messages, {} bytes of blobs",
        messages.lines().count(),
        blobs.len()
    );
    for problem in made.problems {
        println!("problem: {}: {}", problem.path, problem.problem);
    }
    node.shutdown().await;
    Ok(())
}
