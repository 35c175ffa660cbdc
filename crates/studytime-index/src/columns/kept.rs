//! The columns in a file, so that opening need not read every row: numbers are
//! taken over in one piece, and an entry's texts are read when it is asked for.
//!
//! A cache of a cache: it says what it was made from, and is made again from the
//! rows when that, its checksum or anything in it is not as it should be.

use super::bytes::{In, Out, checksum};
use super::lean::{Lean, Standing, Values};
use super::{Columns, CourseColumn};
use crate::popularity::Popularity;
use crate::store::CourseStats;
use crate::word::{SharedWord, Words};
use studytime_schema::FeedId;
use studytime_schema::content::Level;

/// Changes whenever the bytes below mean something else.
const FORMAT: u64 = 2;
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

/// Puts all entries into bytes, most popular first; `made_from` names what they
/// were made from, beside the rows as of `change`. `None` when one of them cannot
/// be read.
pub(crate) fn write(made_from: u64, change: u64, columns: &Columns) -> Option<Vec<u8>> {
    let ranks = columns.ranks();
    let order = &ranks.order;
    let mut out = Out::default();
    out.u64(MAGIC);
    out.u64(0);
    out.u64(FORMAT);
    out.u64(made_from);
    out.u64(change);
    // Words under numbers of the file's own: those in memory have gaps.
    let values = columns.values();
    let mut tables: [Table; 7] = Default::default();
    for at in order {
        let lean = columns.lean(*at)?;
        let [
            category,
            subject,
            language,
            tag,
            provider,
            license,
            keywords,
        ] = &mut tables;
        category.note(values.categories.word(lean.category)?);
        subject.note(values.subjects.word(lean.subject)?);
        language.note(values.languages.word(lean.language)?);
        tag.note(values.tags.word(lean.tag)?);
        provider.note(values.providers.word(lean.provider)?);
        license.note(values.licenses.word(lean.license)?);
        columns.each_keyword(*at, |word| keywords.note(word));
    }
    for table in &tables {
        out.count(table.words.len());
        table.words.iter().for_each(|word| out.text(word));
    }
    out.count(order.len());
    for at in order {
        let lean = columns.lean(*at)?;
        let [category, subject, language, tag, provider, license, _] = &tables;
        out.u32(category.number(lean.category));
        out.u32(subject.number(lean.subject));
        out.u32(language.number(lean.language));
        out.u32(tag.number(lean.tag));
        out.u32(provider.number(lean.provider));
        out.u32(license.number(lean.license));
        out.byte(lean.level);
        out.byte(lean.band);
        out.byte(u8::from(lean.deprecated) | u8::from(lean.on_device) << 1);
    }
    for at in order {
        let standing = columns.standing(*at)?;
        out.u64(standing.number.cast_unsigned());
        out.0.extend_from_slice(standing.feed.as_bytes());
        out.u64(standing.popularity.weight.to_bits());
        out.u32(standing.popularity.learners);
        out.u16(standing.lists);
        out.u16(standing.first);
        out.u64(standing.place);
        out.u64(standing.since);
        out.u64(standing.minutes);
    }
    for other in [columns.names(), columns.newest()] {
        other.order.iter().for_each(|at| out.u32(ranks.of(*at)));
    }
    let mut entries = Out::default();
    for at in order {
        out.count(entries.0.len());
        entry(&mut entries, &tables, &*columns.get(*at)?);
    }
    out.count(entries.0.len());
    out.0.append(&mut entries.0);
    out.count(columns.row_counts().len());
    out.0.extend_from_slice(columns.row_counts());
    out.count(columns.listed.len());
    columns.listed.iter().for_each(|n| out.count(*n));
    let mut bytes = out.0;
    let sum = checksum(bytes.get(16..).unwrap_or_default()).to_le_bytes();
    for (slot, byte) in bytes.iter_mut().skip(8).zip(sum) {
        *slot = byte;
    }
    Some(bytes)
}

/// The words of one kind that are met, and their numbers in the file.
#[derive(Default)]
struct Table {
    words: Vec<SharedWord>,
    /// By number in memory: that in the file, and one more.
    numbers: Vec<u32>,
}

impl Table {
    fn note(&mut self, word: &SharedWord) {
        let at = word.id() as usize;
        if self.numbers.len() <= at {
            self.numbers.resize(at + 1, 0);
        }
        if let Some(slot @ 0) = self.numbers.get_mut(at) {
            self.words.push(word.clone());
            *slot = u32::try_from(self.words.len()).unwrap_or(u32::MAX);
        }
    }

    fn number(&self, id: u32) -> u32 {
        let number = self.numbers.get(id as usize).copied().unwrap_or(0);
        number.saturating_sub(1)
    }
}

/// What only the course itself has.
fn entry(out: &mut Out, tables: &[Table; 7], course: &CourseColumn) {
    let [.., keywords] = tables;
    out.text(&course.key);
    out.count(course.keywords.len());
    for keyword in &course.keywords {
        out.u32(keywords.number(keyword.id()));
    }
    out.text(&course.name);
    let flags = [
        course.successor.is_some(),
        course.feed_here,
        course.stats.complete,
    ];
    let flags = flags.iter().rev();
    out.byte(flags.fold(0, |bits, on| bits << 1 | u8::from(*on)));
    if let Some(successor) = &course.successor {
        out.0.extend_from_slice(successor.as_bytes());
    }
    out.count(course.lists.len());
    course.lists.iter().for_each(|list| out.u16(*list));
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

/// The part of a file that stays in it: entries, by number.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    bytes: Vec<u8>,
    /// Where each entry begins, and where the last one ends.
    starts: Vec<u32>,
    keywords: Vec<SharedWord>,
}

/// What a file holds. Started courses and progress are not in it.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The change of the rows that it was made as of.
    pub(crate) change: u64,
    pub(super) kept: Kept,
    pub(super) values: Values,
    /// By number of the entry; most popular first, as of when it was written.
    pub(super) lean: Vec<Lean>,
    pub(super) standings: Vec<Standing>,
    pub(super) by_name: Vec<u32>,
    pub(super) newest: Vec<u32>,
    pub(super) counts: Vec<u8>,
    pub(super) listed: Vec<usize>,
}

/// Reads a file; `None` when its entries were made from something else, or are
/// not as they were written.
pub(crate) fn open(bytes: Vec<u8>, made_from: u64, words: &mut Dictionaries) -> Option<Opened> {
    let mut input = In(&bytes);
    if input.u64()? != MAGIC
        || input.u64()? != checksum(input.0)
        || input.u64()? != FORMAT
        || input.u64()? != made_from
    {
        return None;
    }
    let change = input.u64()?;
    let mut table = |words: &mut Words| input.list(|input| Some(words.share(input.text()?)));
    let tables = [
        table(&mut words.categories)?,
        table(&mut words.subjects)?,
        table(&mut words.languages)?,
        table(&mut words.tags)?,
        table(&mut words.providers)?,
        table(&mut words.licenses)?,
    ];
    let keywords = table(&mut words.keywords)?;
    let mut values = Values::default();
    for (met, table) in values.kinds().into_iter().zip(&tables) {
        table.iter().for_each(|word| met.note(word));
    }
    let count = input.count()?;
    let mut lean = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        lean.push(read_lean(&mut input, &tables)?);
    }
    let mut standings = Vec::with_capacity(count.min(bytes.len()));
    for _ in 0..count {
        standings.push(Standing {
            number: input.u64()?.cast_signed(),
            feed: FeedId::from_bytes(input.array()?),
            popularity: Popularity {
                weight: f64::from_bits(input.u64()?),
                learners: input.u32()?,
            },
            lists: input.u16()?,
            first: input.u16()?,
            place: input.u64()?,
            since: input.u64()?,
            minutes: input.u64()?,
        });
    }
    let (by_name, newest) = (input.numbers(count)?, input.numbers(count)?);
    let mut starts = input.numbers(count + 1)?;
    let entries = bytes.len() - input.0.len();
    input.bytes(*starts.last()? as usize)?;
    for start in &mut starts {
        *start = u32::try_from(entries).ok()?.checked_add(*start)?;
    }
    let rows = input.count()?;
    let counts = input.bytes(rows)?.to_vec();
    let listed = input.list(In::count)?;
    if !input.0.is_empty() {
        return None;
    }
    Some(Opened {
        change,
        kept: Kept {
            bytes,
            starts,
            keywords,
        },
        values,
        lean,
        standings,
        by_name,
        newest,
        counts,
        listed,
    })
}

fn read_lean(input: &mut In<'_>, tables: &[Vec<SharedWord>; 6]) -> Option<Lean> {
    let [categories, subjects, languages, tags, providers, licenses] = tables;
    let mut id = |table: &Vec<SharedWord>| table.get(input.u32()? as usize).map(SharedWord::id);
    let (category, subject) = (id(categories)?, id(subjects)?);
    let (language, tag) = (id(languages)?, id(tags)?);
    let (provider, license) = (id(providers)?, id(licenses)?);
    let (level, band, flags) = (input.byte()?, input.byte()?, input.byte()?);
    Some(Lean {
        category,
        subject,
        language,
        tag,
        provider,
        license,
        level,
        band,
        deprecated: flags & 1 != 0,
        started: false,
        on_device: flags & 2 != 0,
    })
}

impl Kept {
    fn entry(&self, number: u32) -> Option<In<'_>> {
        let at = number as usize;
        let (start, end) = (*self.starts.get(at)?, *self.starts.get(at + 1)?);
        self.bytes.get(start as usize..end as usize).map(In)
    }

    /// The name of an entry as it is sorted and completed by.
    pub(super) fn key(&self, number: u32) -> Option<&str> {
        self.entry(number)?.text()
    }

    /// The keywords of an entry.
    pub(super) fn each_keyword(
        &self,
        number: u32,
        mut each: impl FnMut(&SharedWord),
    ) -> Option<()> {
        let mut input = self.entry(number)?;
        input.text()?;
        for _ in 0..input.count()? {
            each(self.keywords.get(input.u32()? as usize)?);
        }
        Some(())
    }

    /// An entry as a whole.
    pub(super) fn course(
        &self,
        number: u32,
        values: &Values,
        lean: &Lean,
        standing: &Standing,
    ) -> Option<CourseColumn> {
        let mut input = self.entry(number)?;
        let key = input.text()?.to_owned();
        let keywords = input.list(|input| self.keywords.get(input.u32()? as usize).cloned())?;
        let name = input.text()?.to_owned();
        let flags = input.byte()?;
        let on = |bit: u8| flags & (1 << bit) != 0;
        let successor = match on(0) {
            true => Some(FeedId::from_bytes(input.array()?)),
            false => None,
        };
        let level = match lean.level.checked_sub(1) {
            Some(at) => Some(*Level::ALL.get(usize::from(at))?),
            None => None,
        };
        Some(CourseColumn {
            number: standing.number,
            feed: standing.feed,
            name,
            key,
            keywords: keywords.into_boxed_slice(),
            category: values.categories.word(lean.category)?.clone(),
            subject: values.subjects.word(lean.subject)?.clone(),
            language: values.languages.word(lean.language)?.clone(),
            language_tag: values.tags.word(lean.tag)?.clone(),
            level,
            minutes: (standing.minutes != u64::MAX).then_some(standing.minutes),
            provider: values.providers.word(lean.provider)?.clone(),
            license: values.licenses.word(lean.license)?.clone(),
            deprecated: lean.deprecated,
            successor,
            lists: input.list(In::u16)?,
            place: standing.place,
            since: standing.since,
            popularity: standing.popularity,
            stats: CourseStats {
                updated: input.u64()?,
                lessons: input.u64()?,
                bytes_total: input.u64()?,
                bytes_here: input.u64()?,
                complete: on(2),
            },
            feed_here: on(1),
            started: false,
            percent: 0,
            gave: input.list(|input| Some((input.u64()?.cast_signed(), input.byte()?)))?,
            rest: input.u64()?,
        })
    }

    /// The lists that name an entry's course.
    pub(super) fn lists(&self, number: u32) -> Option<Vec<u16>> {
        let mut input = self.entry(number)?;
        input.text()?;
        let keywords = input.count()?;
        input.bytes(keywords.checked_mul(4)?)?;
        input.text()?;
        if input.byte()? & 1 != 0 {
            input.bytes(32)?;
        }
        input.list(In::u16)
    }
}

#[cfg(test)]
mod tests;
