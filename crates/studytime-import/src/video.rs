//! Looking into a video's headers: whether it is whole, and plays.

use crate::names::extension;
use crate::problem::ProblemKind;
use crate::source::Stream;
use std::io;

/// What a video's headers say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct VideoInfo {
    pub(crate) duration_seconds: Option<u64>,
    pub(crate) height: Option<u32>,
    /// The index stands behind the pictures: a player must fetch the end first.
    pub(crate) index_at_end: bool,
    /// Bytes that will be published.
    pub(crate) size: u64,
    /// Codecs that browsers may not play, by name.
    pub(crate) doubtful_codecs: Vec<String>,
    pub(crate) content_type: &'static str,
}

/// Why a video is left out.
#[derive(Debug)]
pub(crate) enum VideoFault {
    Io(io::Error),
    Bad(ProblemKind, String),
}

impl From<io::Error> for VideoFault {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

pub(crate) fn truncated(what: &str) -> VideoFault {
    VideoFault::Bad(
        ProblemKind::Truncated,
        format!("the video is cut off: {what}; download or copy it again"),
    )
}

pub(crate) fn not_as_named(what: &str) -> VideoFault {
    VideoFault::Bad(
        ProblemKind::NotAsNamed,
        format!("not a video that can be played: {what}"),
    )
}

/// Reads the headers of an MP4 or WebM file of `size` bytes.
pub(crate) fn inspect(
    stream: &mut dyn Stream,
    size: u64,
    name: &str,
) -> Result<VideoInfo, VideoFault> {
    let mut head = Head::new(stream, size);
    if extension(name) == "webm" {
        crate::webm::inspect(&mut head)
    } else {
        crate::mp4::inspect(&mut head)
    }
}

/// A stream that knows where it is and where it must end.
pub(crate) struct Head<'a> {
    stream: &'a mut dyn Stream,
    pub(crate) at: u64,
    pub(crate) size: u64,
}

impl<'a> Head<'a> {
    pub(crate) fn new(stream: &'a mut dyn Stream, size: u64) -> Self {
        Self {
            stream,
            at: 0,
            size,
        }
    }
    /// Bytes to the end of the file.
    pub(crate) fn left(&self) -> u64 {
        self.size.saturating_sub(self.at)
    }

    /// Fills `buf`; `false` at the end of the file.
    pub(crate) fn fill(&mut self, buf: &mut [u8]) -> io::Result<bool> {
        match self.stream.read_exact(buf) {
            Ok(()) => {
                self.at += buf.len() as u64;
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => {
                self.at = self.size;
                Ok(false)
            }
            Err(e) => Err(e),
        }
    }

    /// Goes to a place further on; `false` when the file ends before it.
    pub(crate) fn go_to(&mut self, at: u64) -> io::Result<bool> {
        let step = at.saturating_sub(self.at);
        let done = self.stream.skip(step)?;
        self.at += done;
        Ok(done == step)
    }
}
