//! Zip archives, right in all or all but a few places.

use crate::Few;
use arbitrary::{Arbitrary, Result, Unstructured};
use flate2::{Compression, Crc, write::DeflateEncoder};
use std::io::Write as _;

/// Names that mean something to an import, or should not be followed.
const NAMES: &[&str] = &[
    "01_intro.md",
    "02_body.html",
    "03_talk.mp4",
    "03_talk.en.vtt",
    "03_talk.srt",
    "04_more.webm",
    "05_paper.pdf",
    "06_notes.txt",
    "course.toml",
    "quiz.toml",
    "01_quiz.json",
    "07_list.ipynb",
    "week1/01_a.md",
    "week1/02_b.html",
    "week2/README.md",
    "img/a.png",
    "a-syllabus-parsed.json",
    "SUMMARY.md",
    "src/SUMMARY.md",
    "src/chapter_1.md",
    "playlist.info.json",
    "03_talk.info.json",
    "../up.md",
    "/abs.md",
    "C:\\x.md",
    "a\\..\\..\\b.md",
    "a/../b.md",
    "",
    ".",
    "a//b.md",
    "link.md",
    "week1/",
    "__MACOSX/a.md",
    ".DS_Store",
    "\u{202e}x.md",
    "imsmanifest.xml",
];

/// Texts that the readers of these files look for.
const PIECES: &[&str] = &[
    "# Title\n\n",
    "text ",
    "[link](01_intro.md) ",
    "![pic](img/a.png) ",
    "<h1>x</h1>",
    "<script>",
    "</p>",
    "<img src=\"img/a.png\">",
    "<a href='../x'>",
    "&amp;",
    "```\ncode\n```\n",
    "WEBVTT\n\n",
    "00:00:01.000 --> 00:00:02.000\nhello\n\n",
    "1\n00:00:01,000 --> 00:00:02,500\nhi\n\n",
    "name = \"x\"\n",
    "keywords = [\"a\", \"b\"]\n",
    "license = \"MIT\"\n",
    "[[questions]]\n",
    "kind = \"single\"\n",
    "question = \"?\"\n",
    "options = [\"a\", \"b\"]\n",
    "answer = 0\n",
    "{\"questions\":[",
    "{\"kind\":\"numeric\",\"question\":\"?\",\"answer\":1}",
    "]}",
    "%PDF-1.4\n",
    "/Title (x)",
    "/Title <feff0041>",
    "\0\0\0\x18ftypisom\0\0\0\0isommp42",
    "\0\0\0\x08moov",
    "\0\0\0\x6cmvhd\0\0\0\0",
    "\x1a\x45\u{df}\u{a3}",
    "- [a](chapter_1.md)\n",
    "\u{feff}",
    "\r\n",
    "\n",
    "{\"cells\":[{\"cell_type\":\"markdown\",\"source\":[\"x\"]}]}",
    "---\ntitle: x\n---\n",
];

/// One file in an archive.
#[derive(Debug)]
struct File {
    name: Vec<u8>,
    bytes: Vec<u8>,
    deflated: bool,
    mode: u32,
    flags: u16,
    /// Added to what the list of contents says of size, packed size, sum, offset.
    lies: [u32; 4],
    extra: Vec<u8>,
}

/// The bytes of an archive.
#[derive(Debug)]
pub struct ZipBytes(pub Vec<u8>);

impl<'a> Arbitrary<'a> for ZipBytes {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let lies = u.ratio(1, 4)?;
        let count = u.int_in_range(0..=8)?;
        let files = (0..count)
            .map(|_| file(u, lies))
            .collect::<Result<Vec<_>>>()?;
        let mut bytes = write(&files);
        if u.ratio(1, 4)? {
            for _ in 0..u.int_in_range(1..=4)? {
                if let Some(byte) = u
                    .choose_index(bytes.len())
                    .ok()
                    .and_then(|at| bytes.get_mut(at))
                {
                    *byte = u.arbitrary()?;
                }
            }
        }
        if u.ratio(1, 16)? {
            bytes.truncate(u.choose_index(bytes.len() + 1)?);
        }
        Ok(Self(bytes))
    }
}

/// An archive of these files, all of it right.
pub fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let files: Vec<File> = files
        .iter()
        .map(|(name, bytes)| File {
            name: name.as_bytes().to_vec(),
            bytes: bytes.to_vec(),
            deflated: bytes.len() > 40,
            mode: 0o100_644,
            flags: 0x800,
            lies: [0; 4],
            extra: Vec::new(),
        })
        .collect();
    write(&files)
}

fn file(u: &mut Unstructured<'_>, lies: bool) -> Result<File> {
    let name = match u.int_in_range(0..=7)? {
        0 => String::from_utf8_lossy(&Few::arbitrary(u)?.0)
            .into_owned()
            .into_bytes(),
        1 => Few::arbitrary(u)?.0,
        _ => u.choose(NAMES)?.as_bytes().to_vec(),
    };
    let mut bytes = Vec::new();
    for _ in 0..u.int_in_range(0..=10)? {
        match u.int_in_range(0..=9)? {
            0 => bytes.extend(Few::arbitrary(u)?.0),
            1 => bytes.extend(String::from_utf8_lossy(&Few::arbitrary(u)?.0).bytes()),
            2 => {
                let byte = u.arbitrary::<u8>()?;
                // Much in little: what a deflated file may grow to.
                bytes.resize(bytes.len() + u.int_in_range(0..=60_000)?, byte);
            }
            _ => bytes.extend(u.choose(PIECES)?.bytes()),
        }
    }
    Ok(File {
        name,
        bytes,
        deflated: u.arbitrary()?,
        mode: *u.choose(&[
            0o100_644, 0o100_644, 0o100_644, 0, 0o120_777, 0o040_755, 0o020_644,
        ])?,
        flags: if lies { u.arbitrary()? } else { 0x800 },
        lies: if lies { u.arbitrary()? } else { [0; 4] },
        extra: if lies {
            Few::arbitrary(u)?.0
        } else {
            Vec::new()
        },
    })
}

fn write(files: &[File]) -> Vec<u8> {
    let (mut out, mut list) = (Vec::new(), Vec::new());
    for file in files {
        let offset = out.len() as u32;
        let packed = if file.deflated {
            deflate(&file.bytes)
        } else {
            file.bytes.clone()
        };
        let mut crc = Crc::new();
        crc.update(&file.bytes);
        let method = if file.deflated { 8u16 } else { 0 };
        let name = file
            .name
            .get(..file.name.len().min(2000))
            .unwrap_or_default();
        let extra = file
            .extra
            .get(..file.extra.len().min(200))
            .unwrap_or_default();
        out.extend(b"PK\x03\x04");
        for half in [20, file.flags, method, 0, 0] {
            out.extend(half.to_le_bytes());
        }
        for word in [crc.sum(), packed.len() as u32, file.bytes.len() as u32] {
            out.extend(word.to_le_bytes());
        }
        out.extend((name.len() as u16).to_le_bytes());
        out.extend(0u16.to_le_bytes());
        out.extend(name);
        out.extend(&packed);

        let [size, short, sum, place] = file.lies;
        list.extend(b"PK\x01\x02");
        for half in [0x0314, 20, file.flags, method, 0, 0] {
            list.extend(half.to_le_bytes());
        }
        for word in [
            crc.sum().wrapping_add(sum),
            (packed.len() as u32).wrapping_add(short),
            (file.bytes.len() as u32).wrapping_add(size),
        ] {
            list.extend(word.to_le_bytes());
        }
        for half in [name.len() as u16, extra.len() as u16, 0, 0, 0] {
            list.extend(half.to_le_bytes());
        }
        list.extend((file.mode << 16).to_le_bytes());
        list.extend(offset.wrapping_add(place).to_le_bytes());
        list.extend(name);
        list.extend(extra);
    }
    let start = out.len() as u32;
    out.extend(&list);
    out.extend(b"PK\x05\x06\0\0\0\0");
    for half in [files.len() as u16; 2] {
        out.extend(half.to_le_bytes());
    }
    for word in [list.len() as u32, start] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0u16.to_le_bytes());
    out
}

fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
