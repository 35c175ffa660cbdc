//! The columns in a file, so that opening reads one file instead of every row.
//!
//! A cache of a cache: it says what it was made from, and is made again from the
//! rows when that, its checksum or anything in it is not as it should be.

use super::CourseColumn;
use crate::popularity::Popularity;
use crate::store::CourseStats;
use crate::word::{SharedWord, Words};
use studytime_schema::FeedId;
use studytime_schema::content::Level;

/// Changes whenever the bytes below mean something else.
const FORMAT: u64 = 1;
/// "STcolumn".
const MAGIC: u64 = u64::from_le_bytes(*b"STcolumn");

/// The words that entries share, kind by kind.
#[derive(Debug, Default)]
pub(crate) struct Dictionaries {
    pub(crate) categories: Words,
    pub(crate) subjects: Words,
    pub(crate) languages: Words,
    pub(crate) tags: Words,
    pub(crate) providers: Words,
    pub(crate) licenses: Words,
    pub(crate) keywords: Words,
}

impl Dictionaries {
    fn kinds(&mut self) -> [&mut Words; 7] {
        [
            &mut self.categories,
            &mut self.subjects,
            &mut self.languages,
            &mut self.tags,
            &mut self.providers,
            &mut self.licenses,
            &mut self.keywords,
        ]
    }
}

/// Puts entries into bytes; `made_from` names what they were made from.
pub(crate) fn write<'a>(
    made_from: u64,
    courses: impl Iterator<Item = &'a CourseColumn> + Clone,
) -> Vec<u8> {
    let mut out = Out(Vec::new());
    out.u64(MAGIC);
    out.u64(0);
    out.u64(FORMAT);
    out.u64(made_from);
    // Words under numbers of the file's own: those in memory have gaps.
    let mut tables: [Table<'a>; 7] = Default::default();
    for course in courses.clone() {
        let [category, subject, language, tag, provider, license, keyword] = &mut tables;
        category.note(&course.category);
        subject.note(&course.subject);
        language.note(&course.language);
        tag.note(&course.language_tag);
        provider.note(&course.provider);
        license.note(&course.license);
        course.keywords.iter().for_each(|k| keyword.note(k));
    }
    for table in &tables {
        out.count(table.words.len());
        table.words.iter().for_each(|word| out.text(word));
    }
    out.count(courses.clone().count());
    for course in courses {
        entry(&mut out, &tables, course);
    }
    let mut bytes = out.0;
    let sum = checksum(bytes.get(16..).unwrap_or_default()).to_le_bytes();
    for (slot, byte) in bytes.iter_mut().skip(8).zip(sum) {
        *slot = byte;
    }
    bytes
}

/// The words of one kind that are met, and their numbers in the file.
#[derive(Default)]
struct Table<'a> {
    words: Vec<&'a str>,
    /// By number in memory: that in the file, and one more.
    numbers: Vec<u32>,
}

impl<'a> Table<'a> {
    fn note(&mut self, word: &'a SharedWord) {
        let at = word.id() as usize;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, 0);
        }
        if let Some(slot @ 0) = self.numbers.get_mut(at) {
            self.words.push(word);
            *slot = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        }
    }

    fn number(&self, word: &SharedWord) -> u32 {
        let number = self.numbers.get(word.id() as usize).copied().unwrap_or(0);
        number.saturating_sub(1)
    }
}

fn entry(out: &mut Out, tables: &[Table<'_>; 7], course: &CourseColumn) {
    let [category, subject, language, tag, provider, license, keyword] = tables;
    out.u64(course.number.cast_unsigned());
    out.0.extend_from_slice(course.feed.as_bytes());
    out.text(&course.name);
    out.text(&course.key);
    out.u32(category.number(&course.category));
    out.u32(subject.number(&course.subject));
    out.u32(language.number(&course.language));
    out.u32(tag.number(&course.language_tag));
    out.u32(provider.number(&course.provider));
    out.u32(license.number(&course.license));
    out.count(course.keywords.len());
    course
        .keywords
        .iter()
        .for_each(|k| out.u32(keyword.number(k)));
    out.byte(course.level.map_or(0, |l| l as u8 + 1));
    let flags = [
        course.minutes.is_some(),
        course.deprecated,
        course.successor.is_some(),
        course.feed_here,
        course.stats.complete,
    ];
    let flags = flags
        .iter()
        .rev()
        .fold(0, |bits, on| bits << 1 | u8::from(*on));
    out.byte(flags);
    if let Some(minutes) = course.minutes {
        out.u64(minutes);
    }
    if let Some(successor) = &course.successor {
        out.0.extend_from_slice(successor.as_bytes());
    }
    out.count(course.lists.len());
    course.lists.iter().for_each(|l| out.u32(u32::from(*l)));
    out.u64(course.place);
    out.u64(course.since);
    out.u64(course.stats.updated);
    out.u64(course.stats.lessons);
    out.u64(course.stats.bytes_total);
    out.u64(course.stats.bytes_here);
    out.count(course.gave.len());
    for (row, fields) in &course.gave {
        out.u64(row.cast_unsigned());
        out.byte(*fields);
    }
    out.u64(course.rest);
}

/// Reads entries back; `None` when they were made from something else, or are
/// not as they were written. Popularity and the learner's state are not in them.
pub(crate) fn read(
    bytes: &[u8],
    made_from: u64,
    words: &mut Dictionaries,
) -> Option<Vec<CourseColumn>> {
    let mut input = In(bytes);
    if input.u64()? != MAGIC
        || input.u64()? != checksum(input.0)
        || input.u64()? != FORMAT
        || input.u64()? != made_from
    {
        return None;
    }
    let mut tables: [Vec<SharedWord>; 7] = Default::default();
    for (table, words) in tables.iter_mut().zip(words.kinds()) {
        for _ in 0..input.count()? {
            table.push(words.share(input.text()?));
        }
    }
    let count = input.count()?;
    // Each takes more bytes than this: no length is believed blindly.
    let mut courses = Vec::with_capacity(count.min(bytes.len() / 100));
    for _ in 0..count {
        courses.push(read_entry(&mut input, &tables)?);
    }
    input.0.is_empty().then_some(courses)
}

fn read_entry(input: &mut In<'_>, tables: &[Vec<SharedWord>; 7]) -> Option<CourseColumn> {
    let [
        categories,
        subjects,
        languages,
        tags,
        providers,
        licenses,
        keywords,
    ] = tables;
    let number = input.u64()?.cast_signed();
    let feed = FeedId::from_bytes(input.array()?);
    let (name, key) = (input.text()?.to_owned(), input.text()?.to_owned());
    let mut word = |table: &Vec<SharedWord>| table.get(input.u32()? as usize).cloned();
    let (category, subject) = (word(categories)?, word(subjects)?);
    let (language, language_tag) = (word(languages)?, word(tags)?);
    let (provider, license) = (word(providers)?, word(licenses)?);
    let own = input.list(|input| keywords.get(input.u32()? as usize).cloned())?;
    let level = match input.byte()? {
        0 => None,
        at => Some(*Level::ALL.get(usize::from(at) - 1)?),
    };
    let flags = input.byte()?;
    let on = |bit: u8| flags & (1 << bit) != 0;
    let minutes = if on(0) { Some(input.u64()?) } else { None };
    let successor = if on(2) {
        Some(FeedId::from_bytes(input.array()?))
    } else {
        None
    };
    Some(CourseColumn {
        number,
        feed,
        name,
        key,
        keywords: own.into_boxed_slice(),
        category,
        subject,
        language,
        language_tag,
        level,
        minutes,
        provider,
        license,
        deprecated: on(1),
        successor,
        lists: input.list(|input| u16::try_from(input.u32()?).ok())?,
        place: input.u64()?,
        since: input.u64()?,
        popularity: Popularity::default(),
        stats: CourseStats {
            updated: input.u64()?,
            lessons: input.u64()?,
            bytes_total: input.u64()?,
            bytes_here: input.u64()?,
            complete: on(4),
        },
        feed_here: on(3),
        started: false,
        percent: 0,
        gave: input.list(|input| Some((input.u64()?.cast_signed(), input.byte()?)))?,
        rest: input.u64()?,
    })
}

struct Out(Vec<u8>);

impl Out {
    fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).unwrap_or(u32::MAX));
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.0.extend_from_slice(text.as_bytes());
    }
}

struct In<'a>(&'a [u8]);

impl<'a> In<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn count(&mut self) -> Option<usize> {
        self.u32().map(|n| n as usize)
    }

    fn text(&mut self) -> Option<&'a str> {
        let count = self.count()?;
        let (text, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        std::str::from_utf8(text).ok()
    }

    fn list<T>(&mut self, mut one: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.count()?;
        let mut list = Vec::with_capacity(count.min(self.0.len()));
        for _ in 0..count {
            list.push(one(self)?);
        }
        Some(list)
    }
}

/// Eight bytes at a time: what bit rot and half-written files do not pass.
fn checksum(bytes: &[u8]) -> u64 {
    let mut sum = 0xcbf2_9ce4_8422_2325 ^ bytes.len() as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    for word in words.iter().chain([&last]) {
        sum = (sum ^ u64::from_le_bytes(*word)).wrapping_mul(0x0000_0100_0000_01b3);
        sum ^= sum >> 29;
    }
    sum
}
