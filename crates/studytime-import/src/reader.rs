//! Reading the files of a tree once each, with every trouble turned into a line.

use crate::error::OpenError;
use crate::faststart::{self, Stays};
use crate::import::Reading;
use crate::kind::Kind;
use crate::limits::{MAX_FILE, MAX_TEXT_TOTAL};
use crate::names::extension;
use crate::pdf;
use crate::problem::{ProblemKind, Problems};
use crate::source::{Source, read_capped};
use crate::text::{self, Encoding};
use crate::tree::{File, Tree};
use crate::video::{self, VideoFault, VideoInfo};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::ops::ControlFlow;

/// Whoever wants to know what is being read, and may stop it.
pub(crate) type Watch<'a> = &'a mut dyn FnMut(Reading<'_>) -> ControlFlow<()>;

/// Largest PDF whose end is searched for a title.
const MAX_PDF_SEARCH: u64 = 64 << 20;

/// The files of a tree, read with a cap and a word about each fault.
pub(crate) struct Reader<'a> {
    source: &'a mut dyn Source,
    pub(crate) tree: &'a Tree,
    pub(crate) problems: &'a mut Problems,
    watch: Watch<'a>,
    touched: BTreeSet<usize>,
    usable: BTreeMap<usize, bool>,
    text_total: u64,
    /// Whether the index of a video is moved to its front.
    pub(crate) faststart: bool,
    /// The videos for which that is done.
    pub(crate) moved: BTreeSet<String>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(
        source: &'a mut dyn Source,
        tree: &'a Tree,
        problems: &'a mut Problems,
        watch: Watch<'a>,
    ) -> Self {
        Self {
            source,
            tree,
            problems,
            watch,
            touched: BTreeSet::new(),
            usable: BTreeMap::new(),
            text_total: 0,
            faststart: false,
            moved: BTreeSet::new(),
        }
    }

    fn file(&mut self, index: usize) -> Result<Option<&'a File>, OpenError> {
        let Some(file) = self.tree.get(index) else {
            return Ok(None);
        };
        if self.touched.insert(index) {
            let reading = Reading {
                path: &file.path,
                done: self.touched.len() - 1,
                total: self.tree.files.len(),
            };
            if (self.watch)(reading).is_break() {
                return Err(OpenError::Cancelled);
            }
        }
        Ok(Some(file))
    }

    fn unreadable(&mut self, path: &str, e: &io::Error) {
        let kind = match e.kind() {
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => ProblemKind::Packed,
            _ => ProblemKind::Unreadable,
        };
        let text = match e.kind() {
            io::ErrorKind::PermissionDenied => {
                format!("cannot be read ({e}); check its permissions")
            }
            _ => format!("cannot be read ({e})"),
        };
        self.problems.left_out(path, kind, text);
    }

    /// The bytes of a small file. `None` with a problem when it cannot be
    /// read, is empty or is longer than `cap`.
    pub(crate) fn bytes(&mut self, index: usize, cap: u64) -> Result<Option<Vec<u8>>, OpenError> {
        let Some(file) = self.file(index)? else {
            return Ok(None);
        };
        if file.size > cap {
            self.too_large(&file.path, file.size, cap);
            return Ok(None);
        }
        let read = self
            .source
            .open(file.handle)
            .and_then(|mut stream| read_capped(stream.as_mut(), cap));
        match read {
            Err(e) => self.unreadable(&file.path, &e),
            Ok((_, true)) => self.too_large(&file.path, file.size, cap),
            Ok((bytes, false)) if bytes.is_empty() => self.empty(&file.path),
            Ok((bytes, false)) => return Ok(Some(bytes)),
        }
        Ok(None)
    }

    fn too_large(&mut self, path: &str, size: u64, cap: u64) {
        let text = format!("too large to be read as what it is ({size} bytes; at most {cap})");
        self.problems.left_out(path, ProblemKind::TooLarge, text);
    }

    fn empty(&mut self, path: &str) {
        self.problems
            .left_out(path, ProblemKind::Empty, "the file is empty");
    }

    /// A text of the course, decoded. What was not UTF-8 is reported.
    pub(crate) fn text(&mut self, index: usize, cap: u64) -> Result<Option<String>, OpenError> {
        let Some(bytes) = self.bytes(index, cap)? else {
            return Ok(None);
        };
        let Some(file) = self.tree.get(index) else {
            return Ok(None);
        };
        self.text_total = self.text_total.saturating_add(bytes.len() as u64);
        if self.text_total > MAX_TEXT_TOTAL {
            let text = format!(
                "the texts of this course are longer than {MAX_TEXT_TOTAL} bytes together; split it into several courses"
            );
            self.problems
                .left_out(&file.path, ProblemKind::TooLarge, text);
            return Ok(None);
        }
        let (text, encoding) = text::decode(&bytes, false);
        if encoding == Encoding::Windows1252 {
            self.not_utf8(&file.path);
        }
        let text = text.replace('\0', "");
        if text.trim().is_empty() {
            self.empty(&file.path);
            return Ok(None);
        }
        Ok(Some(text))
    }

    pub(crate) fn not_utf8(&mut self, path: &str) {
        self.problems.warn(
            path,
            ProblemKind::Encoding,
            "the text is not UTF-8; it was read as Windows-1252 (western European), so look at its accents",
        );
    }

    /// Whether a file that is published as it is can be: readable, not empty,
    /// not too large, and a PDF when it says so.
    pub(crate) fn check(&mut self, index: usize) -> Result<bool, OpenError> {
        if let Some(known) = self.usable.get(&index) {
            return Ok(*known);
        }
        let usable = self.look(index)?;
        self.usable.insert(index, usable);
        Ok(usable)
    }

    fn look(&mut self, index: usize) -> Result<bool, OpenError> {
        let Some(file) = self.file(index)? else {
            return Ok(false);
        };
        if file.size > MAX_FILE {
            let text = format!("larger than {MAX_FILE} bytes; split it");
            self.problems
                .left_out(&file.path, ProblemKind::TooLarge, text);
            return Ok(false);
        }
        let mut head = Vec::new();
        let read = self
            .source
            .open(file.handle)
            .and_then(|stream| stream.take(1024).read_to_end(&mut head));
        if let Err(e) = read {
            self.unreadable(&file.path, &e);
            return Ok(false);
        }
        if head.is_empty() {
            self.empty(&file.path);
            return Ok(false);
        }
        if extension(file.name()) == "pdf" && !pdf::is_pdf(&head) {
            self.problems.left_out(
                &file.path,
                ProblemKind::NotAsNamed,
                "not a PDF, whatever its name says; a failed download leaves such files",
            );
            return Ok(false);
        }
        Ok(true)
    }

    /// The headers of a video; `None` with a problem when it cannot be played.
    pub(crate) fn video(&mut self, index: usize) -> Result<Option<VideoInfo>, OpenError> {
        if !self.check(index)? {
            return Ok(None);
        }
        let Some(file) = self.tree.get(index) else {
            return Ok(None);
        };
        let seen = match self.source.open(file.handle) {
            Ok(mut stream) => video::inspect(stream.as_mut(), file.size, file.name()),
            Err(e) => Err(e.into()),
        };
        match seen {
            Ok(mut info) => {
                info.size = file.size;
                if info.index_at_end && self.faststart {
                    self.move_index(file, &mut info);
                } else if info.index_at_end {
                    self.problems.warn(
                        &file.path,
                        ProblemKind::IndexAtEnd,
                        "the index is at the end, so it starts late over a network; \
                         `studytime import --faststart` moves it to the front",
                    );
                }
                self.video_notes(file, &info);
                Ok(Some(info))
            }
            Err(VideoFault::Io(e)) => {
                self.unreadable(&file.path, &e);
                Ok(None)
            }
            Err(VideoFault::Bad(kind, text)) => {
                self.problems.left_out(&file.path, kind, text);
                Ok(None)
            }
        }
    }

    /// Has the index of a video moved, if that can be done.
    fn move_index(&mut self, file: &File, info: &mut VideoInfo) {
        let planned = self
            .source
            .open(file.handle)
            .map_err(Stays::Io)
            .and_then(|mut stream| faststart::plan(stream.as_mut(), file.size));
        match planned {
            Ok(moved) => {
                info.size = moved.size;
                self.moved.insert(file.path.clone());
            }
            Err(Stays::Io(e)) => self.unreadable(&file.path, &e),
            Err(Stays::Because(why)) => {
                let text = format!(
                    "the index is at the end, so it starts late over a network, and it cannot \
                     be moved: {why}; `ffmpeg -i IN -c copy -movflags +faststart OUT` may help"
                );
                self.problems
                    .warn(&file.path, ProblemKind::IndexAtEnd, text);
            }
        }
    }

    fn video_notes(&mut self, file: &File, info: &VideoInfo) {
        if !info.doubtful_codecs.is_empty() {
            let text = format!(
                "many browsers do not play {}; convert it to H.264 with AAC, or to WebM",
                info.doubtful_codecs.join(", ")
            );
            self.problems
                .warn(&file.path, ProblemKind::Unplayable, text);
        }
    }

    /// The title a PDF gives itself.
    pub(crate) fn pdf_title(&mut self, index: usize) -> Result<Option<String>, OpenError> {
        if !self.check(index)? {
            return Ok(None);
        }
        let Some(file) = self
            .tree
            .get(index)
            .filter(|f| extension(f.name()) == "pdf")
        else {
            return Ok(None);
        };
        // A title is a courtesy: trouble here is no problem of the course.
        Ok(self.pdf_windows(file).ok().flatten())
    }

    fn pdf_windows(&mut self, file: &File) -> io::Result<Option<String>> {
        let mut stream = self.source.open(file.handle)?;
        let mut part = Vec::new();
        stream.as_mut().take(pdf::WINDOW).read_to_end(&mut part)?;
        if let Some(title) = pdf::title(&part) {
            return Ok(Some(title));
        }
        if file.size <= pdf::WINDOW || file.size > MAX_PDF_SEARCH {
            return Ok(None);
        }
        let gap = file.size.saturating_sub(2 * pdf::WINDOW);
        stream.skip(gap)?;
        part.clear();
        stream.as_mut().take(pdf::WINDOW).read_to_end(&mut part)?;
        Ok(pdf::title(&part))
    }

    /// The kind of a file, for those that hold only its index.
    pub(crate) fn kind(&self, index: usize) -> Kind {
        self.tree.get(index).map_or(Kind::Unknown, |f| f.kind)
    }
}
