//! Why each blob is here.

use crate::api::{ApiError, BlobClass, BlobCount, ClassUse};
use crate::calls::query_error;
use crate::node::Node;
use crate::store::OwnKind;
use std::collections::HashMap;
use studytime_blobs::quota::{Candidate, Class};
use studytime_schema::{BlobId, FeedId};

/// Blobs asked of the store at a time.
const PAGE: usize = 1000;

/// The best class that any course gives a blob.
#[derive(Default)]
struct Classes(HashMap<BlobId, Class>);

impl Classes {
    fn mark(&mut self, blobs: Vec<BlobId>, class: Class) {
        for blob in blobs {
            let known = self.0.entry(blob).or_insert(class);
            *known = class.max(*known);
        }
    }
}

impl Node {
    /// Calls `each` with every blob of the store, in the order of ids. Blocks.
    pub(crate) fn each_blob(
        &self,
        mut each: impl FnMut(studytime_blobs::store::BlobInfo),
    ) -> Result<(), ApiError> {
        let mut after: Option<BlobId> = None;
        loop {
            let page = self.inner().blobs.list(after.as_ref(), PAGE);
            let page = page.map_err(|e| ApiError::failed("the blob store failed", &e))?;
            after = page.last().map(|b| b.id);
            let full = page.len() == PAGE;
            page.into_iter().for_each(&mut each);
            if !full {
                return Ok(());
            }
        }
    }

    /// Every blob with why it is here. Blocks, for long where there are many.
    pub(crate) fn candidates(&self) -> Result<Vec<Candidate>, ApiError> {
        let mut classes = Classes::default();
        let reader = self.reader();
        let seeds = &self.inner().builder.seed_lists;
        for course in reader.listed_courses() {
            let seeded = course.lists.iter().any(|l| seeds.contains(l));
            let class = match course.started || seeded {
                true => Class::Started,
                false => Class::Friends,
            };
            classes.mark(self.course_blobs(&course.feed_id)?, class);
        }
        for course in reader.learner().map_err(|e| query_error(&e))?.courses {
            classes.mark(self.course_blobs(&course.feed_id)?, Class::Started);
        }
        let own: Vec<FeedId> = self.keys().of_kind(OwnKind::Course);
        let pinned = self.pinned_courses()?;
        for course in pinned.into_iter().chain(own) {
            classes.mark(self.course_blobs(&course)?, Class::Pinned);
        }
        let mut candidates = Vec::new();
        self.each_blob(|b| {
            let by_use = classes.0.get(&b.id).copied().unwrap_or(Class::Strangers);
            candidates.push(Candidate {
                id: b.id,
                size: b.size,
                last_used: b.last_used,
                uses: b.uses,
                class: if b.pinned { Class::Pinned } else { by_use },
            });
        })?;
        Ok(candidates)
    }
}

/// How much each class takes, the best kept first.
pub(crate) fn by_class(candidates: &[Candidate]) -> Vec<ClassUse> {
    let classes = [
        (Class::Pinned, BlobClass::Pinned),
        (Class::Started, BlobClass::Started),
        (Class::Friends, BlobClass::Friends),
        (Class::Strangers, BlobClass::Strangers),
    ];
    let uses = classes.map(|(class, name)| {
        let mut count = BlobCount::default();
        for blob in candidates.iter().filter(|b| b.class == class) {
            count.count += 1;
            count.bytes += blob.size;
        }
        ClassUse { class: name, count }
    });
    uses.into()
}
