//! `mirror …`

use crate::args::{Mirror, MirrorAdd, Seed};
use crate::context::{Context, absolute};
use crate::failure::{Failure, file_error};
use crate::render::{Fit, Table, Text, bytes, count};
use std::io::Read as _;
use std::path::Path;
use studytime_node::api::{
    self, BlobCount, ErrorKind, MirrorCheck, MirrorList, MirrorProblem, MirrorPush, MirrorRemove,
    MirrorSpec, TorrentInfo, TorrentList, TorrentSeed, TorrentStop,
};

/// Longest secret that is read.
const MAX_SECRET: u64 = 4_096;
/// Problems that are shown to people.
const SHOWN: usize = 10;

pub(crate) async fn run(context: &Context, mirror: Mirror) -> Result<(), Failure> {
    match mirror {
        Mirror::Add(add) => {
            let mirror = spec(add)?;
            let name = mirror.name.clone();
            let done = context.call(api::MirrorAdd { mirror }).await?;
            context.out.value(&done, |t| {
                t.line(format!("{name:?} is asked for files that no node has."));
                t.dim(
                    "Fill it: studytime mirror push NAME; look at it: studytime mirror check NAME",
                );
            })
        }
        Mirror::List => list(context).await,
        Mirror::Remove { name } => {
            let call = MirrorRemove { name: name.clone() };
            let done = context.call(call).await?;
            context
                .out
                .value(&done, |t| t.line(format!("{name:?} is asked no more.")))
        }
        Mirror::Push { name, course } => {
            let done = context.call_with_bar(MirrorPush { name, course }).await?;
            context.out.value(&done, |t| {
                t.facts([
                    ("sent", amount(&done.sent)),
                    ("there already", amount(&done.there)),
                    (
                        "not here",
                        match done.absent {
                            0 => String::new(),
                            n => format!("{}: they could not be sent", count(n, "file", "files")),
                        },
                    ),
                ]);
                problems(t, &done.problems);
            })?;
            ok(done.problems.is_empty() && done.absent == 0)
        }
        Mirror::Check { name, course, read } => {
            let done = context
                .call_with_bar(MirrorCheck { name, course, read })
                .await?;
            context.out.value(&done, |t| {
                let there = amount(&done.there);
                t.facts([
                    (
                        "there",
                        match read {
                            true => format!("{there}; every one was read"),
                            false => format!("{there}; --read would compare their hashes"),
                        },
                    ),
                    (
                        "missing",
                        match done.missing {
                            0 => String::new(),
                            n => count(n, "file", "files"),
                        },
                    ),
                ]);
                problems(t, &done.problems);
            })?;
            ok(done.problems.is_empty() && done.missing == 0)
        }
        Mirror::Seed(args) => seed(context, args).await,
        Mirror::Unseed { course } => {
            let done = context.call(TorrentStop { course }).await?;
            context.out.value(&done, |t| {
                t.line("The videos of that course are given over BitTorrent no more.");
            })
        }
        Mirror::Torrents => {
            let torrents = context.call(TorrentList {}).await?;
            context.out.list(&torrents, |t| match torrents.is_empty() {
                true => t.dim("No torrents are given. Make some: studytime mirror seed COURSE"),
                false => torrents.iter().for_each(|torrent| shown(t, torrent)),
            })
        }
    }
}

async fn seed(context: &Context, args: Seed) -> Result<(), Failure> {
    let call = TorrentSeed {
        course: args.course,
        trackers: args.trackers,
        private: args.private,
        publish: args.publish,
    };
    let done = context.call_with_bar(call).await?;
    context.out.value(&done, |t| {
        for torrent in &done.torrents {
            shown(t, torrent);
        }
        let absent = match done.absent {
            0 => String::new(),
            n => format!("{}: no torrent was made", count(n, "file", "files")),
        };
        let published = match done.published {
            0 => String::new(),
            n => count(n, "video", "videos"),
        };
        t.facts([("not here", absent), ("published with", published)]);
        if done
            .torrents
            .iter()
            .any(|torrent| torrent.listening.is_none())
        {
            t.dim("They are given while the node runs: studytime serve");
        }
    })?;
    ok(done.absent == 0)
}

fn shown(t: &mut Text, torrent: &TorrentInfo) {
    t.line(&torrent.name);
    t.facts([
        ("magnet", torrent.magnet.clone()),
        ("file", torrent.file.display().to_string()),
        ("size", bytes(torrent.size)),
        ("given", bytes(torrent.sent)),
        ("connected", torrent.peers.to_string()),
        ("trouble", torrent.trouble.clone().unwrap_or_default()),
    ]);
}

/// Whether all is well decides the exit code.
fn ok(well: bool) -> Result<(), Failure> {
    match well {
        true => Ok(()),
        false => Err(Failure::Reported(ErrorKind::Failed)),
    }
}

fn amount(blobs: &BlobCount) -> String {
    format!(
        "{}, {}",
        count(blobs.count, "file", "files"),
        bytes(blobs.bytes)
    )
}

fn problems(t: &mut Text, problems: &[MirrorProblem]) {
    for problem in problems.iter().take(SHOWN) {
        t.line(format!("{}  {}", problem.blob, problem.problem));
    }
    if problems.len() > SHOWN {
        t.dim(format!(
            "… and {} more; --json shows them",
            problems.len() - SHOWN
        ));
    }
}

fn spec(add: MirrorAdd) -> Result<MirrorSpec, Failure> {
    let url = match add.url.contains("://") {
        true => add.url,
        false => {
            let path = absolute(Path::new(&add.url))?;
            let path = path.to_str().map(str::to_owned);
            path.ok_or_else(|| Failure::usage("the folder's name is not Unicode"))?
        }
    };
    let secret_key = add.secret_file.as_deref().map(secret).transpose()?;
    Ok(MirrorSpec {
        name: add.name,
        url,
        region: add.region.unwrap_or_default(),
        access_key: add.access_key,
        secret_key,
        private: add.private,
    })
}

fn secret(path: &Path) -> Result<String, Failure> {
    let file = std::fs::File::open(path).map_err(|e| file_error(path, &e))?;
    let mut text = String::new();
    let read = file.take(MAX_SECRET).read_to_string(&mut text);
    read.map_err(|e| file_error(path, &e))?;
    match text.trim() {
        "" => Err(Failure::usage(format!("{} is empty", path.display()))),
        secret => Ok(secret.to_owned()),
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let mirrors = context.call(MirrorList {}).await?;
    context.out.list(&mirrors, |t| {
        if mirrors.is_empty() {
            t.dim("No mirrors are named. Name one: studytime mirror add NAME ADDRESS");
            return;
        }
        let mut table = Table::new([
            ("Name", Fit::Whole),
            ("Address", Fit::Cut),
            ("Gave", Fit::Number),
            ("Trouble", Fit::Cut),
        ]);
        for mirror in &mirrors {
            table.row([
                mirror.name.clone(),
                mirror.url.clone(),
                bytes(mirror.gave.bytes),
                mirror.trouble.clone().unwrap_or_default(),
            ]);
        }
        t.table(&table);
    })
}
