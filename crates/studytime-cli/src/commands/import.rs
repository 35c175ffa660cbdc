//! `import`

use crate::args::ImportArgs;
use crate::context::{Context, Needs, absolute};
use crate::failure::{Failure, file_error};
use crate::render::{Text, bytes, count};
use studytime_node::api::{Import, ImportReply};

pub(crate) async fn run(context: &Context, args: ImportArgs) -> Result<(), Failure> {
    let path = absolute(&args.path)?;
    // Said before a node is started for it.
    std::fs::metadata(&path).map_err(|e| file_error(&path, &e))?;
    let call = Import {
        path,
        edit: args.edit.clone().into(),
        catalog: args.catalog.clone(),
        into: args.into,
        prune: args.prune,
        replaces: args.replaces,
        faststart: args.faststart,
        dry_run: args.dry_run,
    };
    let reply = context
        .with(Needs::Store, async |session| {
            session.call_with_bar(call).await
        })
        .await?;
    context.out.value(&reply, |t| describe(t, &args, &reply))
}

fn describe(t: &mut Text, args: &ImportArgs, reply: &ImportReply) {
    t.heading(match (args.dry_run, args.into) {
        (true, _) => format!("{} (nothing was published)", reply.name),
        (false, Some(_)) => format!("{} is up to date", reply.name),
        (false, None) => format!("{} is a course now", reply.name),
    });
    for line in &reply.outline {
        t.line(line);
    }
    if !reply.outline.is_empty() {
        t.gap();
    }
    t.facts([
        (
            "course",
            reply.course.map_or_else(String::new, |id| id.to_string()),
        ),
        (
            "content",
            format!(
                "{}, {}",
                count(reply.lessons, "lesson", "lessons"),
                count(
                    reply.items,
                    "video, file or test",
                    "videos, files and tests"
                )
            ),
        ),
        ("messages", reply.messages.to_string()),
        (
            "files",
            format!(
                "{}, {}",
                count(reply.blobs, "blob", "blobs"),
                bytes(reply.bytes)
            ),
        ),
        (
            "list",
            args.catalog
                .clone()
                .filter(|_| !args.dry_run)
                .unwrap_or_default(),
        ),
    ]);
    if !reply.problems.is_empty() {
        t.gap();
        t.heading(count(reply.problems.len() as u64, "remark:", "remarks:"));
        for problem in &reply.problems {
            match problem.path.as_str() {
                "" => t.line(format!("  {}", problem.problem)),
                path => t.line(format!("  {path}: {}", problem.problem)),
            }
        }
    }
    if let (Some(old), Some(new), false) = (args.replaces, reply.course, args.dry_run) {
        t.gap();
        t.line("Learners of the old course hear of it when you say so:");
        t.line(format!(
            "  studytime course deprecate '{old}' --successor '{new}'"
        ));
    }
    if args.catalog.is_none() && args.into.is_none() && !args.dry_run {
        t.gap();
        t.line("It is on no course list yet, so others will not come across it: `studytime catalog publish NAME ID`");
    }
}
