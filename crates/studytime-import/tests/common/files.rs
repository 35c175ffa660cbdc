//! Small valid files, built byte by byte.

/// One MP4 box.
fn part(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(content.len() + 8)
        .unwrap()
        .to_be_bytes()
        .to_vec();
    out.extend(kind);
    out.extend(content);
    out
}

/// The index of an MP4 with one video track.
fn moov(seconds: u32, height: u16, codec: &[u8; 4]) -> Vec<u8> {
    let mut mvhd = vec![0u8; 100];
    mvhd[12..16].copy_from_slice(&1000u32.to_be_bytes());
    mvhd[16..20].copy_from_slice(&(seconds * 1000).to_be_bytes());
    let mut tkhd = vec![0u8; 84];
    tkhd[80..82].copy_from_slice(&height.to_be_bytes());
    let mut hdlr = vec![0u8; 24];
    hdlr[8..12].copy_from_slice(b"vide");
    let mut stsd = vec![0u8; 8];
    stsd[7] = 1;
    stsd.extend(part(codec, &[0; 78]));
    let stbl = part(b"stbl", &part(b"stsd", &stsd));
    let mdia = [part(b"hdlr", &hdlr), part(b"minf", &stbl)].concat();
    let trak = [part(b"tkhd", &tkhd), part(b"mdia", &mdia)].concat();
    part(
        b"moov",
        &[part(b"mvhd", &mvhd), part(b"trak", &trak)].concat(),
    )
}

/// A playable-looking MP4 with `payload` as its pictures.
pub fn mp4(seconds: u32, height: u16, payload: &[u8]) -> Vec<u8> {
    let ftyp = part(b"ftyp", b"isom\0\0\x02\0isomavc1");
    [ftyp, moov(seconds, height, b"avc1"), part(b"mdat", payload)].concat()
}

/// The same with its index at the end.
pub fn mp4_index_last(seconds: u32, payload: &[u8]) -> Vec<u8> {
    let ftyp = part(b"ftyp", b"isom\0\0\x02\0isomavc1");
    [ftyp, part(b"mdat", payload), moov(seconds, 360, b"avc1")].concat()
}

/// The same in a codec that browsers often do not play.
pub fn mp4_codec(codec: &[u8; 4]) -> Vec<u8> {
    let ftyp = part(b"ftyp", b"isom\0\0\x02\0isomavc1");
    [ftyp, moov(3, 360, codec), part(b"mdat", b"pictures")].concat()
}

/// The front of an MP4 whose pictures are `payload` bytes long.
pub fn mp4_front(payload: u64) -> Vec<u8> {
    let mut out = [
        part(b"ftyp", b"isom\0\0\x02\0isomavc1"),
        moov(60, 720, b"avc1"),
    ]
    .concat();
    out.extend(1u32.to_be_bytes());
    out.extend(b"mdat");
    out.extend((payload + 16).to_be_bytes());
    out
}

/// One EBML element with an eight-byte length.
fn element(id: &[u8], content: &[u8]) -> Vec<u8> {
    let mut out = id.to_vec();
    out.extend((content.len() as u64 | (1 << 56)).to_be_bytes());
    out.extend(content);
    out
}

/// A playable-looking WebM.
pub fn webm(seconds: f64, height: u16) -> Vec<u8> {
    let head = element(&[0x1a, 0x45, 0xdf, 0xa3], &element(&[0x42, 0x82], b"webm"));
    let info = [
        element(&[0x2a, 0xd7, 0xb1], &1_000_000u32.to_be_bytes()),
        element(&[0x44, 0x89], &(seconds * 1000.0).to_be_bytes()),
    ]
    .concat();
    let track = [
        element(&[0x86], b"V_VP9"),
        element(&[0xe0], &element(&[0xba], &height.to_be_bytes())),
    ]
    .concat();
    let segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track)),
        element(&[0x1f, 0x43, 0xb6, 0x75], b"pictures"),
    ]
    .concat();
    [head, element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat()
}

pub const SRT: &[u8] = b"1\n00:00:00,500 --> 00:00:01,000\nHello & hi\n";
pub const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot really";
pub const PDF: &[u8] = b"%PDF-1.4\n1 0 obj << /Title (All about moss) >>\n%%EOF";
pub const QUIZ: &[u8] = br#"{"name":"Check","pass_percent":50,"questions":[
    {"kind":"true_false","question":"Is it?","answer":true}]}"#;

/// A fragment, as it follows the index of a streamed MP4.
pub fn mp4_fragment() -> Vec<u8> {
    part(b"moof", &part(b"mfhd", &[0; 8]))
}
