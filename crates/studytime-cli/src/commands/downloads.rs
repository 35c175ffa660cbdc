//! `downloads …`

use crate::args::{Downloads, DownloadsDo};
use crate::context::Context;
use crate::failure::Failure;
use crate::render::{Fit, Table, Text, bytes, count};
use studytime_node::api::{
    self, BlobClass, ClassUse, DownloadsChange, DownloadsEdit, DownloadsReply,
};

pub(crate) async fn run(context: &Context, downloads: Downloads) -> Result<(), Failure> {
    let edit = match downloads.what {
        None => {
            let reply = context.call(api::Downloads { by_class: true }).await?;
            return context.out.value(&reply, |t| describe(t, &reply));
        }
        Some(DownloadsDo::Pause) => DownloadsEdit {
            paused: Some(true),
            ..DownloadsEdit::default()
        },
        Some(DownloadsDo::Resume) => DownloadsEdit {
            paused: Some(false),
            ..DownloadsEdit::default()
        },
        Some(DownloadsDo::Set(limits)) => DownloadsEdit {
            limit: limits.limit,
            hours: limits.hours.map(|h| match h.as_str() {
                "always" => String::new(),
                _ => h,
            }),
            quota: limits.quota,
            free_floor: limits.keep_free,
            ..DownloadsEdit::default()
        },
    };
    let reply = context.call(DownloadsChange { edit }).await?;
    context.out.value(&reply, |t| describe(t, &reply))
}

fn describe(t: &mut Text, reply: &DownloadsReply) {
    let hours = reply.hours.as_ref();
    let state = match (&reply.stopped, reply.paused, reply.running, hours) {
        (_, true, ..) => "paused: `studytime downloads resume` lets them go on".into(),
        (_, _, false, Some(hours)) => format!("waiting for their hours, {hours}"),
        (Some(stopped), ..) => stopped.to_string(),
        _ => "running".into(),
    };
    let free = reply.free.map_or_else(
        || format!("{} are to stay free", bytes(reply.free_floor)),
        |free| {
            format!(
                "{}; {} are to stay free",
                bytes(free),
                bytes(reply.free_floor)
            )
        },
    );
    let scrub = &reply.scrub;
    let checked = match (scrub.running, scrub.ended) {
        (true, _) => format!("{} looked at so far", bytes(scrub.checked.bytes)),
        (false, 0) => "not looked at yet".into(),
        _ => format!(
            "all of {} looked at, {} damaged",
            bytes(scrub.checked.bytes),
            scrub.damaged
        ),
    };
    t.facts([
        ("downloads", state),
        ("hours", hours.cloned().unwrap_or_else(|| "always".into())),
        (
            "speed",
            reply
                .limit
                .map_or_else(|| "no limit".into(), |l| format!("{}/s at most", bytes(l))),
        ),
        (
            "files",
            format!(
                "{} in {}, {} at most",
                bytes(reply.used.bytes),
                count(reply.used.count, "blob", "blobs"),
                bytes(reply.quota)
            ),
        ),
        ("disk free", free),
        ("damage", checked),
    ]);
    if !reply.classes.is_empty() {
        t.gap();
        classes(t, &reply.classes);
    }
    for course in &reply.courses {
        t.line(format!(
            "{}  {}/s at most",
            course.feed_id,
            bytes(course.limit)
        ));
    }
}

/// How much each class takes, what is kept longest first.
pub(super) fn classes(t: &mut Text, classes: &[ClassUse]) {
    let mut table = Table::new([
        ("Size", Fit::Number),
        ("Blobs", Fit::Number),
        ("Of", Fit::Cut),
    ]);
    for class in classes.iter().filter(|c| c.count.count > 0) {
        let name = match class.class {
            BlobClass::Pinned => "pinned and your own: never deleted by itself",
            BlobClass::Started => "started courses",
            BlobClass::Friends => "listed courses you have not started",
            _ => "others",
        };
        table.row([
            bytes(class.count.bytes),
            class.count.count.to_string(),
            name.to_owned(),
        ]);
    }
    t.table(&table);
}
