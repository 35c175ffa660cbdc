//! One course out of its rows: the record, and which row gave which field.

use crate::store::ListingRow;
use crate::text::search::{ABOUT, KEYWORDS, NAME, PROVIDER};
use studytime_schema::FeedId;
use studytime_schema::fold::{Listing, merge_course};
use studytime_schema::view::CourseRecord;

/// A course's rows in the order in which they count.
#[derive(Debug, Clone)]
pub(crate) struct Merged {
    pub(crate) record: CourseRecord,
    /// Row by row: its number, and the fields of the record that it gave.
    pub(crate) gave: Vec<(i64, u8)>,
    /// The user's lists that name the course, as places in the user's order.
    pub(crate) lists: Vec<u16>,
    /// Its place in the first of them.
    pub(crate) place: u64,
    /// When it was listed first: milliseconds since 1970.
    pub(crate) since: u64,
}

/// Merges a course's rows: those of the user's lists in order, then its own.
/// `None` when none of these names it.
pub(crate) fn merge(course: FeedId, rows: &[ListingRow], lists: &[FeedId]) -> Option<Merged> {
    let mut listed: Vec<(usize, &ListingRow)> = rows
        .iter()
        .filter(|r| r.listing.is_listed())
        .filter_map(|r| {
            lists
                .iter()
                .position(|l| *l == r.listing.list())
                .map(|at| (at, r))
        })
        .collect();
    listed.sort_by_key(|(at, _)| *at);
    let own = rows
        .iter()
        .find(|r| r.listing.list() == course && r.listing.is_listed());
    let listings: Vec<(FeedId, &Listing)> = listed
        .iter()
        .map(|(_, r)| (r.listing.list(), &r.listing))
        .collect();
    let record = merge_course(course, &listings, own.map(|r| &r.listing))?;

    let mut sources: Vec<&ListingRow> = listed.iter().map(|(_, r)| *r).collect();
    if let Some(own) = own
        && !sources.iter().any(|r| r.id == own.id)
    {
        sources.push(own);
    }
    let mut taken = 0;
    let mut gave = Vec::with_capacity(sources.len());
    for row in &sources {
        let fields = row.listing.fields();
        let mut says = 0;
        for (bit, said) in [
            (NAME, row.listing.name().is_some()),
            (KEYWORDS, fields.keywords.is_said()),
            (PROVIDER, fields.provider.is_said()),
            (
                ABOUT,
                fields.description.is_said() || fields.description_blob.is_said(),
            ),
        ] {
            if said {
                says |= bit;
            }
        }
        gave.push((row.id, says & !taken));
        taken |= says;
    }
    Some(Merged {
        record,
        gave,
        lists: listed
            .iter()
            .map(|(at, _)| u16::try_from(*at).unwrap_or(u16::MAX))
            .collect(),
        place: listed
            .first()
            .and_then(|(_, r)| r.listing.place())
            .unwrap_or(u64::MAX),
        since: sources.iter().map(|r| r.since).min().unwrap_or(0),
    })
}
