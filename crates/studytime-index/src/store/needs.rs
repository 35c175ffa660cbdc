//! The blobs that lessons need: packed into the lesson's row, which is where
//! they are read from; and, by the first bytes of their hashes, the courses
//! that may need one.
//!
//! Hashes are random, so an ordered table of them is touched all over by every
//! transaction. What is new therefore gathers in `need_new`, in the order in
//! which it comes, and goes into `need` many at a time.

use rusqlite::Connection;
use rusqlite::types::Type;
use std::collections::BTreeSet;
use studytime_schema::BlobId;
use studytime_schema::view::{BlobNeed, BlobRole};

/// New rows that may gather.
const MAX_NEW: i64 = 50_000;

/// A packed need: this byte, the hash, and eight bytes of size where it is said.
const ROLE: u8 = 0x0F;
const MANIFEST: u8 = 0x10;
const SIZED: u8 = 0x20;

const ROLES: [BlobRole; 8] = [
    BlobRole::Text,
    BlobRole::Picture,
    BlobRole::Questions,
    BlobRole::Poster,
    BlobRole::Captions,
    BlobRole::Video,
    BlobRole::Attachment,
    BlobRole::Alternative,
];

/// Needs as a lesson's row holds them; `None` when there are none.
pub(super) fn pack(needs: &[BlobNeed]) -> Option<Vec<u8>> {
    if needs.is_empty() {
        return None;
    }
    let mut packed = Vec::with_capacity(needs.len() * 41);
    for need in needs {
        let role = (0_u8..)
            .zip(ROLES)
            .find(|(_, role)| *role == need.role)
            .map_or(ROLE, |(code, _)| code);
        let manifest = if need.manifest { MANIFEST } else { 0 };
        let sized = if need.size.is_some() { SIZED } else { 0 };
        packed.push(role | manifest | sized);
        packed.extend_from_slice(need.blob.as_bytes());
        if let Some(size) = need.size {
            packed.extend_from_slice(&size.to_le_bytes());
        }
    }
    Some(packed)
}

/// Takes the next need off a packed row.
fn unpack_one(packed: &mut &[u8]) -> Option<BlobNeed> {
    let (flags, rest) = packed.split_first()?;
    let (blob, mut rest) = rest.split_first_chunk::<32>()?;
    let mut size = None;
    if flags & SIZED != 0 {
        let (bytes, after) = rest.split_first_chunk::<8>()?;
        size = Some(u64::from_le_bytes(*bytes));
        rest = after;
    }
    *packed = rest;
    Some(BlobNeed {
        blob: BlobId::from_bytes(*blob),
        manifest: flags & MANIFEST != 0,
        role: *ROLES.get(usize::from(flags & ROLE))?,
        size,
    })
}

/// Calls `each` with the needs of a packed row.
pub(super) fn unpack(mut packed: &[u8], mut each: impl FnMut(BlobNeed)) -> rusqlite::Result<()> {
    while !packed.is_empty() {
        let Some(need) = unpack_one(&mut packed) else {
            let why = "the blobs of a lesson cannot be read".into();
            return Err(rusqlite::Error::FromSqlConversionFailure(
                0,
                Type::Blob,
                why,
            ));
        };
        each(need);
    }
    Ok(())
}

/// The first bytes of a hash, as a number.
fn head(blob: &BlobId) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = *blob.as_bytes();
    i64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// Notes that a course needs blobs; `old` are those it was noted with before.
pub(super) fn note(
    conn: &Connection,
    course: i64,
    old: &BTreeSet<BlobId>,
    needs: &[BlobNeed],
) -> rusqlite::Result<()> {
    let mut insert = conn.prepare_cached("INSERT INTO need_new(blob, course) VALUES(?1, ?2)")?;
    let mut last = 0;
    for need in needs.iter().filter(|n| !old.contains(&n.blob)) {
        last = insert.insert((head(&need.blob), course))?;
    }
    // The table is emptied as a whole, so that its last number is its length.
    if last >= MAX_NEW {
        conn.execute_batch(
            "INSERT OR IGNORE INTO need(blob, course)
               SELECT blob, course FROM need_new ORDER BY blob, course;
             DELETE FROM need_new;",
        )?;
    }
    Ok(())
}

/// Numbers of the courses that may need one of these blobs: all that do, and
/// those that did before their lessons changed.
pub(crate) fn courses_near(
    conn: &Connection,
    blobs: &BTreeSet<BlobId>,
) -> rusqlite::Result<BTreeSet<i64>> {
    let heads: BTreeSet<i64> = blobs.iter().map(head).collect();
    let mut courses = BTreeSet::new();
    let mut known = conn.prepare_cached("SELECT course FROM need WHERE blob = ?1")?;
    for head in &heads {
        let mut rows = known.query([head])?;
        while let Some(row) = rows.next()? {
            courses.insert(row.get(0)?);
        }
    }
    let mut new = conn.prepare_cached("SELECT blob, course FROM need_new")?;
    let mut rows = new.query([])?;
    while let Some(row) = rows.next()? {
        if heads.contains(&row.get(0)?) {
            courses.insert(row.get(1)?);
        }
    }
    Ok(courses)
}

/// Numbers of the courses whose lessons need a blob.
pub(crate) fn courses_needing(conn: &Connection, blob: &BlobId) -> rusqlite::Result<Vec<i64>> {
    let mut needing = Vec::new();
    for course in courses_near(conn, &BTreeSet::from([*blob]))? {
        let mut needed = false;
        each_need(conn, course, |_, need| needed |= need.blob == *blob)?;
        if needed {
            needing.push(course);
        }
    }
    Ok(needing)
}

/// Calls `each` with every blob that a course's lessons need, in order, and the
/// lesson's number.
pub(crate) fn each_need(
    conn: &Connection,
    course: i64,
    mut each: impl FnMut(u64, BlobNeed),
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached(
        "SELECT number, needs FROM lesson WHERE course = ?1 ORDER BY number, taken",
    )?;
    let mut rows = statement.query([course])?;
    while let Some(row) = rows.next()? {
        let number = row.get::<_, i64>(0)?.cast_unsigned();
        if let Some(packed) = row.get_ref(1)?.as_blob_or_null()? {
            unpack(packed, |need| each(number, need))?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail anywhere")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn need() -> impl Strategy<Value = BlobNeed> {
        (
            any::<[u8; 32]>(),
            any::<bool>(),
            0..ROLES.len(),
            any::<Option<u64>>(),
        )
            .prop_map(|(blob, manifest, role, size)| BlobNeed {
                blob: BlobId::from_bytes(blob),
                manifest,
                role: ROLES[role],
                size,
            })
    }

    proptest! {
        #[test]
        fn what_is_packed_is_read_back(needs in prop::collection::vec(need(), 0..9)) {
            let packed = pack(&needs).unwrap_or_default();
            let mut read = Vec::new();
            unpack(&packed, |n| read.push(n)).unwrap();
            prop_assert_eq!(read, needs);
        }

        #[test]
        fn a_row_that_was_cut_is_damage(needs in prop::collection::vec(need(), 1..4), cut in 1_usize..33) {
            let packed = pack(&needs).unwrap_or_default();
            prop_assert!(unpack(&packed[..packed.len() - cut], |_| ()).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes, |_| ());
        }
    }

    fn blob(n: u64) -> BlobId {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        BlobId::from_bytes(bytes)
    }

    /// Before and after what is new goes into the ordered table.
    #[test]
    fn courses_are_found_among_old_and_new() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch(super::super::TABLES).unwrap();
        let count = MAX_NEW.unsigned_abs() + 10;
        let none = BTreeSet::new();
        let needs: Vec<BlobNeed> = (0..count)
            .map(|n| BlobNeed {
                blob: blob(n),
                manifest: false,
                role: BlobRole::Picture,
                size: None,
            })
            .collect();
        for (course, some) in (1..).zip(needs.chunks(1_000)) {
            note(&conn, course, &none, some).unwrap();
        }
        // Two courses need the first.
        note(&conn, 99, &none, &needs[..1]).unwrap();
        let rows = |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            conn.query_row(&sql, [], |r| r.get(0)).unwrap()
        };
        assert_eq!((rows("need"), rows("need_new")), (MAX_NEW, 11));
        let near = |of: &[u64]| {
            let blobs = of.iter().map(|n| blob(*n)).collect();
            courses_near(&conn, &blobs).unwrap()
        };
        assert_eq!(near(&[0]), BTreeSet::from([1, 99]));
        assert_eq!(near(&[1_500, count - 1]), BTreeSet::from([2, 51]));
        assert_eq!(near(&[count]), BTreeSet::new());
        // What was needed before is not noted again.
        let had = BTreeSet::from([blob(0)]);
        note(&conn, 99, &had, &needs[..1]).unwrap();
        assert_eq!(rows("need_new"), 11);
    }
}
