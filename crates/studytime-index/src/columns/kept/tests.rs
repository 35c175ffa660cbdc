//! Courses from a file, beside courses that never were in one.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use super::*;
use crate::maker::Maker;
use crate::model::Sort;
use proptest::prelude::*;

const SORTS: [Sort; 4] = [Sort::Popular, Sort::Newest, Sort::Shortest, Sort::Name];

fn course(words: &mut Dictionaries, number: u8, any: u64) -> CourseColumn {
    // Few values each, so that courses share them and are alike in some.
    let few = |shift: u32, count: u64| (any >> shift) % count;
    let mut text = |table: fn(&mut Dictionaries) -> &mut Words, shift: u32| {
        table(words).share(["", "alpha", "beta"][few(shift, 3) as usize])
    };
    let category = text(|w| &mut w.categories, 1);
    let subject = text(|w| &mut w.subjects, 3);
    let language = text(|w| &mut w.languages, 5);
    let language_tag = text(|w| &mut w.tags, 7);
    let provider = text(|w| &mut w.providers, 9);
    let license = text(|w| &mut w.licenses, 11);
    let keywords = (0..few(13, 3)).map(|n| {
        let word = ["one", "two", "three"][n as usize];
        words.keywords.share(word)
    });
    CourseColumn {
        number: i64::from(number) + 1,
        feed: FeedId::from_bytes([number; 32]),
        name: format!("Name {}", few(15, 4)),
        key: format!("name {}", few(15, 4)),
        keywords: keywords.collect(),
        category,
        subject,
        language,
        language_tag,
        level: Level::ALL.get(few(17, 4) as usize).copied(),
        minutes: (few(19, 2) == 0).then(|| few(20, 3)),
        provider,
        license,
        deprecated: few(22, 4) == 0,
        successor: (few(24, 4) == 0).then(|| FeedId::from_bytes([9; 32])),
        lists: (0..few(26, 3) as u16).collect(),
        place: few(28, 3),
        since: few(30, 3),
        popularity: Popularity {
            weight: few(32, 3) as f64 / 2.0,
            learners: few(32, 3) as u32,
        },
        stats: CourseStats {
            updated: few(34, 3),
            lessons: few(36, 3),
            bytes_total: few(38, 3),
            bytes_here: few(40, 3),
            complete: few(42, 2) == 0,
        },
        feed_here: few(43, 2) == 0,
        started: false,
        percent: 0,
        gave: (0..few(44, 3) as i64)
            .map(|n| (i64::from(number) * 4 + n, few(46, 16) as u8))
            .collect(),
        rest: few(50, 3),
    }
}

/// All that can be asked of the columns, by feed and not by place.
fn told(columns: &Columns) -> impl PartialEq + std::fmt::Debug {
    let orders: Vec<Vec<CourseColumn>> = SORTS
        .iter()
        .map(|sort| {
            let order = columns.sorted(*sort);
            let courses = order.order.iter().map(|at| columns.get(*at).unwrap());
            courses.map(std::borrow::Cow::into_owned).collect()
        })
        .collect();
    let mut tallies: Vec<_> = columns.tallies().collect();
    tallies.sort_by_key(|(category, subject, _)| (*category, *subject));
    let tallies: Vec<_> = tallies
        .into_iter()
        .map(|(category, subject, tally)| (category.to_owned(), subject.to_owned(), tally))
        .collect();
    let listed: Vec<usize> = (0..4).map(|list| columns.listed(list)).collect();
    let counts: Vec<u8> = (0..400).map(|row| columns.counts(row)).collect();
    let places: Vec<bool> = (0..90)
        .map(|number| {
            let at = columns.by_number(number);
            at.and_then(|at| columns.standing(at))
                .is_some_and(|s| s.number == number)
        })
        .collect();
    let facets = columns.counter().facets(columns.values());
    let current = columns.counter().current();
    (orders, tallies, listed, counts, places, facets, current)
}

proptest! {
    /// Courses read from a file, and changed since, are as those that never
    /// were in one.
    #[test]
    fn a_file_changes_nothing(
        before in prop::collection::vec((0_u8..80, prop::option::of(any::<u64>())), 0..120),
        after in prop::collection::vec((0_u8..80, prop::option::of(any::<u64>())), 0..40),
    ) {
        let maker = Maker::default();
        let mut words = Dictionaries::default();
        let put = |columns: &mut Columns, words: &mut Dictionaries, (number, any): (u8, Option<u64>)| {
            let course = any.map(|any| course(words, number, any));
            columns.put(i64::from(number) + 1, FeedId::from_bytes([number; 32]), course)
        };
        let mut plain = Columns::new(&maker);
        for one in before {
            put(&mut plain, &mut words, one);
        }
        let file = write(7, 1, &plain).unwrap();
        prop_assert!(open(file.clone(), 8, &mut Dictionaries::default()).is_none());
        let mut words_read = Dictionaries::default();
        let opened = open(file, 7, &mut words_read).unwrap();
        let mut read = Columns::of(&maker, opened);
        prop_assert_eq!(format!("{:?}", told(&read)), format!("{:?}", told(&plain)));
        for one in after {
            let old = put(&mut plain, &mut words, one);
            let same = put(&mut read, &mut words_read, one);
            prop_assert_eq!(old.is_some(), same.is_some());
        }
        prop_assert_eq!(format!("{:?}", told(&read)), format!("{:?}", told(&plain)));
    }

    #[test]
    fn no_damage_is_read(bytes in prop::collection::vec(any::<u8>(), 0..300), at: usize, bit in 0_u8..8) {
        prop_assert!(open(bytes, 7, &mut Dictionaries::default()).is_none());
        let mut words = Dictionaries::default();
        let mut columns = Columns::new(&Maker::default());
        for number in 0..20 {
            let course = course(&mut words, number, at as u64 ^ u64::from(number) << 20);
            columns.put(i64::from(number) + 1, course.feed, Some(course));
        }
        let mut file = write(7, 1, &columns).unwrap();
        let end = file.len();
        file[at % end] ^= 1 << bit;
        prop_assert!(open(file.clone(), 7, &mut Dictionaries::default()).is_none());
        file[at % end] ^= 1 << bit;
        file.truncate(at % end);
        prop_assert!(open(file, 7, &mut Dictionaries::default()).is_none());
    }
}
