//! Zip archives, written with all the freedom an attacker has.

use flate2::Compression;
use flate2::write::DeflateEncoder;
use std::io::Write;

/// One member as it is to be written.
#[derive(Clone)]
pub struct Member {
    pub name: Vec<u8>,
    pub data: Vec<u8>,
    pub deflate: bool,
    /// Unix mode, with the sort of file.
    pub mode: u32,
    pub flags: u16,
    pub method: Option<u16>,
    /// A false size to claim.
    pub claim: Option<u32>,
    pub crc: Option<u32>,
}

pub fn file(name: &str, data: &[u8]) -> Member {
    Member {
        name: name.as_bytes().to_vec(),
        data: data.to_vec(),
        deflate: true,
        mode: 0o100_644,
        flags: 0x800,
        method: None,
        claim: None,
        crc: None,
    }
}

pub fn stored(name: &str, data: &[u8]) -> Member {
    Member {
        deflate: false,
        ..file(name, data)
    }
}

pub fn link(name: &str, target: &str) -> Member {
    Member {
        mode: 0o120_777,
        ..stored(name, target.as_bytes())
    }
}

pub fn crc(data: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    crc.sum()
}

/// Writes an archive.
pub fn zip(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for m in members {
        let packed = if m.deflate {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&m.data).unwrap();
            encoder.finish().unwrap()
        } else {
            m.data.clone()
        };
        let method = m.method.unwrap_or(if m.deflate { 8 } else { 0 });
        let size = m.claim.unwrap_or(u32::try_from(m.data.len()).unwrap());
        let mut common = Vec::new();
        common.extend(20u16.to_le_bytes());
        common.extend(m.flags.to_le_bytes());
        common.extend(method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(m.crc.unwrap_or_else(|| crc(&m.data)).to_le_bytes());
        common.extend(u32::try_from(packed.len()).unwrap().to_le_bytes());
        common.extend(size.to_le_bytes());
        common.extend(u16::try_from(m.name.len()).unwrap().to_le_bytes());
        common.extend(0u16.to_le_bytes());
        let offset = u32::try_from(out.len()).unwrap();
        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend(&m.name);
        out.extend(&packed);
        directory.extend(b"PK\x01\x02");
        directory.extend([20, 3]);
        directory.extend(&common);
        directory.extend([0; 6]);
        directory.extend((m.mode << 16).to_le_bytes());
        directory.extend(offset.to_le_bytes());
        directory.extend(&m.name);
    }
    finish(out, directory, members.len())
}

fn finish(mut out: Vec<u8>, directory: Vec<u8>, count: usize) -> Vec<u8> {
    let offset = u32::try_from(out.len()).unwrap();
    out.extend(&directory);
    out.extend(b"PK\x05\x06");
    out.extend([0; 4]);
    let count = u16::try_from(count).unwrap();
    out.extend(count.to_le_bytes());
    out.extend(count.to_le_bytes());
    out.extend(u32::try_from(directory.len()).unwrap().to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.extend(0u16.to_le_bytes());
    out
}

/// An archive of a folder's files, below `wrapper`.
pub fn zip_folder(root: &std::path::Path, wrapper: &str) -> Vec<u8> {
    let mut members = Vec::new();
    let mut dirs = vec![root.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_str().unwrap();
            let data = std::fs::read(&path).unwrap();
            let name = format!("{wrapper}{name}");
            members.push(if data.len() % 2 == 0 {
                file(&name, &data)
            } else {
                stored(&name, &data)
            });
        }
    }
    zip(&members)
}
