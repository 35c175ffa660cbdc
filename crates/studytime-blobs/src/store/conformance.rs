//! The laws every [`BlobStore`] keeps, for whoever writes one.
//!
//! [`check`] runs them all over a fresh, empty store and reports the first
//! that is broken.
//!
//! ```
//! use studytime_blobs::store::{MemoryStore, conformance};
//!
//! conformance::check(&MemoryStore::new()).unwrap();
//! ```

use super::{BlobStore, Durability, Partial, Pinner, PushScope, StoreError, Usage, Verdict};
use studytime_schema::{BlobId, FeedId, MAX_BLOB_SIZE};

/// A law that does not hold.
#[derive(Debug, thiserror::Error)]
#[error("{law}: {found}")]
pub struct Broken {
    /// The law.
    pub law: &'static str,
    /// What was found.
    pub found: String,
}

impl From<StoreError> for Broken {
    fn from(e: StoreError) -> Self {
        Self {
            law: "the store does not fail",
            found: e.to_string(),
        }
    }
}

type Law = Result<(), Broken>;

fn ensure(law: &'static str, holds: bool, found: impl std::fmt::Debug) -> Law {
    match holds {
        true => Ok(()),
        false => Err(Broken {
            law,
            found: format!("{found:?}"),
        }),
    }
}

/// Checks every law over an empty store.
///
/// # Errors
/// [`Broken`]: the first law that does not hold.
pub fn check(store: &dyn BlobStore) -> Law {
    empty_blob(store)?;
    add_and_read(store)?;
    writer(store)?;
    size_limit(store)?;
    batch(store)?;
    resume(store)?;
    list_and_use(store)?;
    pins(store)?;
    pushes(store)?;
    verify(store)?;
    delete(store)
}

fn empty_blob(store: &dyn BlobStore) -> Law {
    let law = "the empty blob is here and not stored";
    ensure(law, store.size(&BlobId::EMPTY)? == Some(0), "no size")?;
    let read = store.read(&BlobId::EMPTY)?;
    ensure(law, read.as_deref() == Some(&[]), &read)?;
    let added = store.add(b"", Durability::Synced, 1)?;
    ensure(law, added.id == BlobId::EMPTY && !added.new, added)?;
    let usage = store.usage()?;
    ensure(law, usage == Usage::default(), usage)?;
    ensure(law, store.list(None, 10)?.is_empty(), "it is listed")
}

fn add_and_read(store: &dyn BlobStore) -> Law {
    let bytes: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
    let id = BlobId::of(&bytes);
    let law = "a blob that was added is read back";
    ensure(law, store.size(&id)?.is_none(), "it was here before")?;
    ensure(law, store.open(&id)?.is_none(), "it was here before")?;
    let added = store.add(&bytes, Durability::Synced, 5)?;
    let right = added.id == id && added.size == bytes.len() as u64 && added.new;
    ensure(law, right, added)?;
    ensure(
        law,
        store.size(&id)? == Some(bytes.len() as u64),
        "its size",
    )?;
    ensure(law, store.read(&id)?.as_ref() == Some(&bytes), "its bytes")?;
    let again = store.add(&bytes, Durability::Relaxed, 6)?;
    ensure("a blob is stored once", !again.new, again)?;
    let usage = store.usage()?;
    let right = usage.count == 1 && usage.bytes == bytes.len() as u64;
    ensure("usage counts each blob once", right, usage)?;

    let law = "reads are positioned";
    let Some(blob) = store.open(&id)? else {
        return ensure(law, false, "it cannot be opened");
    };
    let mut buf = [0; 7];
    let n = blob.read_at(1_001, &mut buf)?;
    let expected = bytes.get(1_001..1_001 + n).unwrap_or_default();
    ensure(law, n > 0 && buf.get(..n) == Some(expected), buf)?;
    ensure(
        law,
        blob.read_at(blob.len(), &mut buf)? == 0,
        "bytes behind the end",
    )?;
    ensure(
        law,
        blob.read_at(u64::MAX, &mut buf)? == 0,
        "bytes far behind the end",
    )
}

fn writer(store: &dyn BlobStore) -> Law {
    let id = BlobId::of(b"written in pieces");
    let law = "nothing is visible before commit";
    let mut writer = store.writer(7)?;
    writer.write(b"written ")?;
    writer.write(b"")?;
    writer.write(b"in pieces")?;
    ensure(law, store.size(&id)?.is_none(), "it is here")?;
    ensure(
        "a writer knows its id",
        writer.id() == id && writer.len() == 17,
        writer.id(),
    )?;
    let added = writer.commit(Some(id), Durability::Synced)?;
    ensure(
        "a writer stores what was written",
        added.new && added.id == id,
        added,
    )?;

    let law = "wrong bytes are refused and not kept";
    let other = BlobId::of(b"other");
    let mut writer = store.download(&other, 7)?;
    writer.write(b"not other")?;
    let refused = writer.commit(Some(other), Durability::Relaxed);
    let right =
        matches!(&refused, Err(StoreError::WrongHash { expected, .. }) if *expected == other);
    ensure(law, right, &refused)?;
    ensure(law, store.size(&other)?.is_none(), "it is here")?;
    let lie = store.size(&BlobId::of(b"not other"))?;
    ensure(law, lie.is_none() && store.partials()?.is_empty(), lie)?;

    let mut writer = store.writer(7)?;
    writer.write(b"dropped")?;
    drop(writer);
    let dropped = store.size(&BlobId::of(b"dropped"))?;
    ensure("a dropped writer keeps nothing", dropped.is_none(), dropped)?;

    let mut writer = store.writer(7)?;
    writer.write(b"wrong start")?;
    writer.restart()?;
    writer.write(b"right")?;
    let added = writer.commit(None, Durability::Relaxed)?;
    ensure(
        "a writer can start again",
        added.id == BlobId::of(b"right"),
        added,
    )
}

fn size_limit(store: &dyn BlobStore) -> Law {
    let law = "a blob is smaller than the limit";
    let limit = usize::try_from(MAX_BLOB_SIZE).unwrap_or(usize::MAX);
    let bytes = vec![7; limit];
    let refused = store.add(&bytes, Durability::Relaxed, 8);
    ensure(law, matches!(refused, Err(StoreError::TooLarge)), refused)?;
    let largest = bytes.get(1..).unwrap_or_default();
    let added = store.add(largest, Durability::Relaxed, 8)?;
    ensure(law, added.size == MAX_BLOB_SIZE - 1, added)?;
    store.delete(&[added.id])?;
    ensure(law, store.size(&added.id)?.is_none(), "deleted, but here")
}

fn batch(store: &dyn BlobStore) -> Law {
    let law = "a batch becomes visible as a whole";
    let mut batch = store.batch(9)?;
    let ids = [batch.add(b"one")?, batch.add(b"two")?, batch.add(b"one")?];
    batch.add(b"")?;
    ensure(law, batch.count() == 4, batch.count())?;
    ensure(law, store.size(&BlobId::of(b"one"))?.is_none(), "too early")?;
    let added = batch.commit()?;
    let got: Vec<_> = added.iter().map(|a| a.id).collect();
    let right = got.starts_with(&ids) && got.last() == Some(&BlobId::EMPTY);
    ensure(law, right, &added)?;
    let two = store.read(&BlobId::of(b"two"))?;
    ensure(law, two.as_deref() == Some(b"two"), two)?;
    let many = store.add_many(&[b"two", b"three"], 9)?;
    let new: Vec<_> = many.iter().map(|a| a.new).collect();
    ensure("a batch knows what was here", new == [false, true], many)?;

    let mut batch = store.batch(9)?;
    batch.add(b"never")?;
    let too_large = vec![0; usize::try_from(MAX_BLOB_SIZE).unwrap_or(usize::MAX)];
    let refused = batch.add(&too_large);
    ensure("a batch has the limit, too", refused.is_err(), refused)?;
    drop(batch);
    let never = store.size(&BlobId::of(b"never"))?;
    ensure("a dropped batch keeps nothing", never.is_none(), never)
}

fn resume(store: &dyn BlobStore) -> Law {
    let law = "a suspended download goes on";
    let id = BlobId::of(b"first half, second half");
    let mut writer = store.download(&id, 10)?;
    ensure(law, writer.is_empty(), writer.len())?;
    writer.write(b"first half, ")?;

    let mut second = store.download(&id, 10)?;
    ensure(
        "two downloads of a blob do not meet",
        second.is_empty(),
        second.len(),
    )?;
    second.write(b"x")?;
    second.suspend(10)?;

    writer.suspend(11)?;
    let partials = store.partials()?;
    let expected = Partial {
        id,
        bytes: 12,
        suspended: 11,
    };
    ensure(law, partials == [expected], &partials)?;
    ensure(law, store.size(&id)?.is_none(), "it is here")?;
    let mut writer = store.download(&id, 12)?;
    ensure(law, writer.len() == 12, writer.len())?;
    writer.write(b"second half")?;
    let added = writer.commit(Some(id), Durability::Relaxed)?;
    ensure(law, added.new && store.partials()?.is_empty(), added)?;

    let law = "a suspended download can be dropped";
    let other = BlobId::of(b"never finished");
    let mut writer = store.download(&other, 13)?;
    writer.write(b"never")?;
    writer.suspend(13)?;
    store.drop_partials(&[other, id])?;
    ensure(law, store.partials()?.is_empty(), "it is listed")?;
    let writer = store.download(&other, 14)?;
    ensure(law, writer.is_empty(), writer.len())?;
    drop(writer);
    ensure(law, store.partials()?.is_empty(), "it came back")?;

    let mut writer = store.writer(15)?;
    writer.write(b"anonymous")?;
    writer.suspend(15)?;
    let partials = store.partials()?;
    ensure(
        "only known blobs are suspended",
        partials.is_empty(),
        partials,
    )
}

fn list_and_use(store: &dyn BlobStore) -> Law {
    let law = "the list is in order and comes in pages";
    let mut all = Vec::new();
    while let Some(page) = Some(store.list(all.last(), 2)?).filter(|p| !p.is_empty()) {
        ensure(law, page.len() <= 2, page.len())?;
        all.extend(page.iter().map(|b| b.id));
    }
    let mut sorted = all.clone();
    sorted.sort_unstable();
    sorted.dedup();
    ensure(law, all == sorted, &all)?;
    let usage = store.usage()?;
    ensure(law, usage.count == all.len() as u64, usage)?;

    let law = "uses are counted";
    let id = BlobId::of(b"two");
    store.touch(&[id, id, BlobId::of(b"not here")], 500)?;
    store.touch(&[id], 400)?;
    store.flush()?;
    let list = store.list(None, 1_000)?;
    let info = list.iter().find(|b| b.id == id);
    let right = info
        .is_some_and(|b| (b.uses, b.last_used, b.added, b.size, b.pinned) == (3, 500, 9, 3, false));
    ensure(law, right, info)
}

fn pins(store: &dyn BlobStore) -> Law {
    let law = "pins are kept by who pins";
    let (one, two) = (BlobId::of(b"one"), BlobId::of(b"not here yet"));
    let course = Pinner::Course(FeedId::from_bytes([3; 32]));
    store.pin(&course, &[one, two, one])?;
    store.pin(&Pinner::User, &[one])?;
    let who = store.pinners(&one)?;
    ensure(law, who == [Pinner::User, course], who)?;
    let mut both = vec![one, two];
    both.sort_unstable();
    let pinned = store.pinned(&course)?;
    ensure(law, pinned == both, pinned)?;
    let list = store.list(None, 1_000)?;
    let pinned: Vec<_> = list.iter().filter(|b| b.pinned).map(|b| b.id).collect();
    ensure(law, pinned == [one], pinned)?;
    store.unpin(&course, Some(&[one]))?;
    let who = store.pinners(&one)?;
    ensure(law, who == [Pinner::User], who)?;
    store.unpin(&course, None)?;
    ensure(law, store.pinned(&course)?.is_empty(), "still pinned")?;
    store.unpin(&Pinner::User, None)?;
    ensure(law, store.pinners(&one)?.is_empty(), "still pinned")
}

fn pushes(store: &dyn BlobStore) -> Law {
    let law = "a push lasts until three peers have it";
    let id = BlobId::of(b"one");
    let peer = |n| FeedId::from_bytes([n; 32]);
    store.push(&[id, BlobId::EMPTY], PushScope::Seeders)?;
    ensure(law, !store.push_seen(&id, &peer(1))?, "done after one")?;
    ensure(
        law,
        !store.push_seen(&id, &peer(1))?,
        "the same peer counted twice",
    )?;
    store.push(&[id], PushScope::Everyone)?;
    ensure(law, !store.push_seen(&id, &peer(2))?, "done after two")?;
    store.push(&[id], PushScope::Seeders)?;
    let pushes = store.pushes()?;
    let right = pushes.len() == 1
        && pushes
            .iter()
            .all(|p| p.id == id && p.scope == PushScope::Everyone && p.seen == [peer(1), peer(2)]);
    ensure(law, right, pushes)?;
    ensure(law, store.push_seen(&id, &peer(3))?, "not done after three")?;
    ensure(law, store.pushes()?.is_empty(), "still listed")?;
    ensure(
        law,
        store.push_seen(&id, &peer(4))?,
        "an unknown push is not done",
    )
}

fn verify(store: &dyn BlobStore) -> Law {
    let law = "a sound blob is found sound and stays as it is";
    let id = BlobId::of(b"three");
    let before = store.usage()?;
    let found = store.verify(&id)?;
    ensure(law, found == Verdict::Sound(5), found)?;
    ensure(law, store.usage()? == before, store.usage()?)?;
    let found = store.verify(&BlobId::of(b"not here"))?;
    ensure(
        "what is not here is no damage",
        found == Verdict::Absent,
        found,
    )?;
    let found = store.verify(&BlobId::EMPTY)?;
    ensure("the empty blob is sound", found == Verdict::Sound(0), found)
}

fn delete(store: &dyn BlobStore) -> Law {
    let law = "what is deleted is gone";
    let id = BlobId::of(b"three");
    let open = store.open(&id)?;
    let before = store.usage()?;
    let freed = store.delete(&[id, BlobId::of(b"not here"), BlobId::EMPTY])?;
    ensure(law, freed == 5, freed)?;
    ensure(law, store.size(&id)?.is_none(), "it is here")?;
    let after = store.usage()?;
    let right = after.count + 1 == before.count && after.bytes + 5 == before.bytes;
    ensure(law, right, (before, after))?;
    if let (true, Some(open)) = (cfg!(unix), open) {
        let mut buf = [0; 5];
        let n = open.read_at(0, &mut buf)?;
        ensure(
            "an open blob stays readable",
            &buf == b"three" && n == 5,
            buf,
        )?;
    }
    let added = store.add(b"three", Durability::Relaxed, 20)?;
    ensure("a deleted blob can come again", added.new, added)
}
