//! One record from what several lists and the course itself say.

use super::Listing;
use crate::content::Patch;
use crate::refs::FeedId;
use crate::view::CourseRecord;

/// The most steps that are followed from a deprecated course to its successor.
pub const MAX_SUCCESSORS: usize = 16;

/// The record of a course: from the lists that name it, in the user's order,
/// then from the course itself.
///
/// The whole record comes from the first list. A field it never set falls
/// through to the next one, a field it cleared does not. The course's own
/// `deprecated: true` always counts; its successor and reason are then taken
/// from the course first. `None` when neither a list nor the course names it.
///
/// `listings` may hold rows that no longer list the course; they are skipped.
pub fn merge_course(
    feed_id: FeedId,
    listings: &[(FeedId, &Listing)],
    own: Option<&Listing>,
) -> Option<CourseRecord> {
    let standing = |listing: &&Listing| listing.is_listed() && listing.course() == feed_id;
    let mut sources: Vec<&Listing> = listings.iter().map(|(_, l)| *l).filter(standing).collect();
    let listed_by = listings
        .iter()
        .filter(|(_, l)| standing(l))
        .map(|(list, _)| *list)
        .collect();
    let own = own.filter(standing);
    sources.extend(own);
    if sources.is_empty() {
        return None;
    }

    let text = sources
        .iter()
        .map(|s| s.fields())
        .find(|f| f.description.is_said() || f.description_blob.is_said());
    let own_deprecates = own.is_some_and(|own| own.deprecated() == Some(true));
    let listed_deprecated = sources.iter().find_map(|s| s.deprecated()).unwrap_or(false);
    // Where only the course itself says so, its own successor is the one meant.
    let mut deprecators = sources.clone();
    if own_deprecates && !listed_deprecated {
        deprecators.rotate_right(1);
    }
    Some(CourseRecord {
        feed_id,
        name: sources
            .iter()
            .find_map(|s| s.name())
            .unwrap_or_default()
            .to_owned(),
        description: text.and_then(|f| f.description.value().cloned()),
        description_blob: text.and_then(|f| f.description_blob.value().copied()),
        image: first(&sources, |s| &s.fields().image),
        keywords: first(&sources, |s| &s.fields().keywords).unwrap_or_default(),
        language: first(&sources, |s| &s.fields().language),
        level: first(&sources, |s| &s.fields().level),
        duration_minutes: first(&sources, |s| &s.fields().duration_minutes),
        provider: first(&sources, |s| &s.fields().provider),
        license: first(&sources, |s| &s.fields().license),
        source_url: first(&sources, |s| &s.fields().source_url),
        prerequisites: first(&sources, |s| &s.fields().prerequisites).unwrap_or_default(),
        deprecated: own_deprecates || listed_deprecated,
        successor: first(&deprecators, Listing::successor),
        deprecation_reason: first(&deprecators, Listing::deprecation_reason),
        listed_by,
    })
}

fn first<'a, T: Clone + 'a>(
    sources: &[&'a Listing],
    get: impl Fn(&'a Listing) -> &'a Patch<T>,
) -> Option<T> {
    let mut said = sources.iter().map(|s| get(s)).filter(|p| p.is_said());
    said.next().and_then(Patch::value).cloned()
}

/// The courses that take the place of a deprecated one: its successor, that
/// one's successor if it is deprecated too, and so on; the last is the one to
/// offer. `next` gives the successor of a course that is deprecated (see
/// [`CourseRecord::replaced_by`]), and `None` for others.
///
/// A chain that comes back to a course it has been at is cut there, and none
/// is longer than [`MAX_SUCCESSORS`].
pub fn successors(course: FeedId, mut next: impl FnMut(&FeedId) -> Option<FeedId>) -> Vec<FeedId> {
    let mut chain: Vec<FeedId> = Vec::new();
    let mut at = course;
    while chain.len() < MAX_SUCCESSORS {
        match next(&at) {
            Some(successor) if successor != course && !chain.contains(&successor) => {
                chain.push(successor);
                at = successor;
            }
            _ => break,
        }
    }
    chain
}
