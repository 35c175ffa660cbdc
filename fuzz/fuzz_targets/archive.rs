//! Any archive, through the real way in: refused, or a draft whose every path
//! lies inside, that can be published as messages that fit. Nothing is written.
#![no_main]
use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use studytime_fuzz::{feeds::keys, within, zip::ZipBytes};
use studytime_import::{Import, MAX_PROBLEMS, Options, Sink, SinkError, limits, to_webvtt};
use studytime_schema::content::Content;
use studytime_schema::{BlobId, MAX_BLOB_SIZE, Message};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Raw(&'a [u8]),
    Made(ZipBytes),
    Captions(&'a [u8]),
}

fuzz_target!(|input: Input<'_>| {
    // An archive may hold 64 MiB before its ratio counts, and texts of it are
    // held as they are, as HTML and as Markdown.
    within(512 << 20, || match &input {
        Input::Raw(bytes) => open(bytes),
        Input::Made(ZipBytes(bytes)) => open(bytes),
        Input::Captions(bytes) => {
            if let Ok(text) = to_webvtt(bytes) {
                let again = to_webvtt(text.as_bytes()).expect("what we write can be read");
                assert_eq!(again, text);
            }
        }
    });
});

/// A folder that holds the archive and nothing else.
fn place() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let shm = Path::new("/dev/shm");
        let base = if shm.is_dir() {
            shm.to_owned()
        } else {
            std::env::temp_dir()
        };
        let folder = base.join(format!("studytime-fuzz-archive-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder of our own");
        folder
    })
}

fn open(bytes: &[u8]) {
    let path = place().join("course.zip");
    std::fs::write(&path, bytes).expect("room for the archive");
    let import = Import::open(&path, &Options::default());
    let inside = std::fs::read_dir(place()).expect("our folder").count();
    assert_eq!(inside, 1, "something was written beside the archive");
    let Ok(mut import) = import else {
        return;
    };
    let draft = import.draft();
    assert!(draft.problems.len() <= MAX_PROBLEMS + 1);
    for lesson in &draft.lessons {
        check_path(&lesson.path);
        for video in &lesson.videos {
            check_path(&video.path);
        }
        for file in &lesson.attachments {
            check_path(&file.path);
        }
        if let Some(body) = &lesson.body {
            check_path(&body.path);
            for link in &body.links {
                check_path(&link.file.path);
                assert!(body.text.get(link.start..link.end).is_some());
            }
        }
        assert!(
            lesson.name.chars().count() <= limits::MAX_NAME,
            "{}",
            lesson.name
        );
    }
    let mut kept = Kept(0);
    let feed = keys(1).id();
    let _ = import.publish_new(feed, &mut kept);
}

fn check_path(path: &str) {
    assert!(!path.is_empty() && path.len() <= limits::MAX_PATH);
    assert!(
        path.split('/').all(|part| !matches!(part, "" | "." | "..")),
        "{path:?}"
    );
    assert!(!path.contains(['\\', '\0']), "{path:?}");
}

/// Checks what would be kept.
struct Kept(u64);

impl Sink for Kept {
    fn put_blob(&mut self, id: BlobId, bytes: &[u8]) -> Result<(), SinkError> {
        assert!((bytes.len() as u64) < MAX_BLOB_SIZE);
        assert_eq!(BlobId::of(bytes), id);
        self.0 += bytes.len() as u64;
        assert!(self.0 <= 256 << 20, "more than the archive could hold");
        Ok(())
    }

    fn publish_all(&mut self, messages: Vec<Content>) -> Result<(), SinkError> {
        for content in messages {
            let value = content.to_value();
            if let Err(error) = Message::sign(&keys(1), None, 1, &value, None) {
                panic!("{error}: {value}");
            }
            let read = Content::parse(&value.to_string()).expect("what we publish can be read");
            assert_eq!((read.content, read.dropped.len()), (content, 0));
        }
        Ok(())
    }
}
