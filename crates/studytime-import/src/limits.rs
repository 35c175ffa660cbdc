//! Caps on what a folder or archive may ask of this machine.

/// Most files and folders in one course.
pub const MAX_ENTRIES: usize = 50_000;
/// Deepest folder that is read; the course folder itself is 0.
pub const MAX_DEPTH: usize = 16;
/// Longest path inside the folder, in bytes.
pub const MAX_PATH: usize = 1_024;
/// Longest name of a course, lesson or file in a message, in characters.
pub const MAX_NAME: usize = 200;
/// Largest single file, in bytes: 65,536 segments of 1 MiB.
pub const MAX_FILE: u64 =
    studytime_schema::MAX_SEGMENTS as u64 * studytime_schema::SEGMENT_SIZE as u64;
/// Largest lesson text, in bytes; it must fit one blob with room to spare.
pub const MAX_TEXT: u64 = 4 << 20;
/// All lesson texts of one course together, in bytes: they are held in memory.
pub const MAX_TEXT_TOTAL: u64 = 128 << 20;
/// Largest caption file, in bytes.
pub const MAX_CAPTION: u64 = 2 << 20;
/// Most caption tracks of one video.
pub const MAX_CAPTIONS: usize = 100;
/// Largest test file, in bytes.
pub const MAX_TEST: u64 = 1 << 20;
/// Most questions in one test.
pub const MAX_QUESTIONS: usize = 1_000;
/// Largest `course.toml`, playlist or syllabus, in bytes.
pub const MAX_SIDECAR: u64 = 8 << 20;
/// Most links of one text that are followed.
pub const MAX_LINKS: usize = 10_000;
/// Everything an archive holds when unpacked, in bytes.
pub const MAX_UNPACKED: u64 = 1 << 40;
/// How many times larger than the archive its content may be, …
pub const MAX_RATIO: u64 = 200;
/// … once it passes this many bytes.
pub const RATIO_FROM: u64 = 64 << 20;
/// Largest list of contents of an archive, in bytes.
pub const MAX_DIRECTORY: u64 = 64 << 20;
