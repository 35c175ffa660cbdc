//! Pressing play and dragging the slider, in virtual time: how soon the first byte is
//! there, whether it goes on, who is asked for what, and how often.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod line;

use line::{Film, Line, Manner};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use studytime_blobs::wants::Mark;
use studytime_schema::BlobId;

const MIB: usize = 1 << 20;
/// Bytes per second of a line of so many Mbit/s.
const MBIT: u64 = 1_000_000 / 8;
const DELAY: u64 = 50;

/// 1 GiB.
fn long_film() -> Arc<Film> {
    static FILM: OnceLock<Arc<Film>> = OnceLock::new();
    let made = || Arc::new(Film::new(1024, MIB, 1));
    Arc::clone(FILM.get_or_init(made))
}

/// Each blob was got once, and each call that was made for it brought something that
/// was used: nothing was asked for twice over.
fn nothing_twice(line: &Line) {
    let mut got: Vec<BlobId> = line.got.iter().map(|(_, _, blob)| *blob).collect();
    let all = got.len();
    got.sort_unstable();
    got.dedup();
    assert_eq!(got.len(), all, "a segment was fetched twice");
    let mut from: BTreeMap<BlobId, u64> = BTreeMap::new();
    for (_, _, blob, start) in &line.asked {
        let last = from.insert(*blob, *start);
        assert!(
            last.is_none_or(|last| *start >= last),
            "what had come of {blob} was thrown away"
        );
    }
}

#[test]
fn a_seek_into_an_absent_minute_costs_two_round_trips_and_a_segment() {
    let film = long_film();
    let rate = 100 * MBIT;
    let mut line = Line::new(DELAY, rate);
    line.film(&film);
    line.peer(10 * rate, Manner::Honest, &[&film]);
    let player = line.play(&film, 5 * MBIT);
    // Two round trips and one segment, and a piece of the next one at most.
    let limit = 4 * DELAY + (MIB as u64 + 64 * 1024) * 1_000 / rate + 1;
    let began = |line: &Line| line.players[player].began.is_some();
    let started = line.now;
    assert!(line.run(60_000, began));
    assert!(
        line.now - started <= limit * 1_000,
        "{}",
        line.now - started
    );

    // In the middle of fetching ahead, and later when there is enough.
    for (position, wait) in [(600, 40), (300, 700), (900, 20_000)] {
        line.run(wait, |_| false);
        let (announced, asked) = (line.announced.len(), line.asked.len());
        let started = line.now;
        line.seek(player, position * MIB as u64 + 12_345);
        assert!(line.run(60_000, began), "{position}");
        // What was under way when it was moved is stopped, but for what is in the line.
        let in_the_line = 320 * 1024 * 1_000 / rate;
        let took = (line.now - started) / 1_000;
        assert!(
            took <= limit + in_the_line,
            "MiB {position}: first byte after {took} ms, {limit} are allowed"
        );
        // The wants: those of the window at the new place, each said once. (A minute are
        // 36 segments; when the first is read, the window moves on by one.)
        let said: Vec<BlobId> = line.announced[announced..].iter().map(|a| a.1).collect();
        let window = &film.file.segments()[position as usize..position as usize + 37];
        assert_eq!(said[0], window[0], "the first is what is waited for");
        assert!(said.iter().all(|blob| window.contains(blob)));
        assert!(said.len() <= window.len(), "{} wants", said.len());
        // One segment was asked for; the next one only when that was nearly there.
        let asked: Vec<BlobId> = line.asked[asked..].iter().map(|a| a.2).collect();
        assert_eq!(asked[0], window[0]);
        assert!(asked.len() <= 3, "{} calls for the first byte", asked.len());
    }
    nothing_twice(&line);
}

#[test]
fn half_a_line_plays_without_a_stall() {
    // 10 Mbit/s, a film of 5, and the rest of the course is being fetched, too.
    let film = Arc::new(Film::new(70, MIB, 2));
    let course = Arc::new(Film::new(200, MIB, 3));
    for (peers, ahead) in [(1, false), (1, true), (3, true)] {
        let mut line = Line::new(DELAY, 10 * MBIT);
        line.film(&film);
        line.film(&course);
        for _ in 0..peers {
            line.peer(100 * MBIT, Manner::Honest, &[&film, &course]);
        }
        if ahead {
            line.fetch_ahead(7, &course);
            line.run(5_000, |_| false);
        }
        let player = line.play(&film, 5 * MBIT);
        let started = line.now;
        line.run(115_000, |_| false);
        let p = &line.players[player];
        let after = |at: &u64| *at > started + 1_000_000;
        let late = p.stalls.iter().filter(|at| after(at)).count();
        assert_eq!(late, 0, "{peers} peers, {ahead}: {:?}", p.stalls);
        let began = (p.began.unwrap() - started) / 1_000;
        // Two round trips, a segment, what was in the line, and pieces of the next one,
        // however many peers there are.
        let others = 128 * 1024 + if ahead { 384 * 1024 * peers } else { 0 };
        let most = 4 * DELAY + (MIB as u64 + others) * 1_000 / (10 * MBIT) + 1;
        assert!(began <= most, "began after {began} ms, {most} are allowed");
        assert!(p.read > 66 * MIB as u64, "{}", p.read);
        nothing_twice(&line);
        if ahead {
            // What was left of the line went to the course.
            let got = line
                .got
                .iter()
                .filter(|(_, _, b)| course.file.segments().contains(b));
            assert!(got.count() > 20);
        }
    }
}

#[test]
fn four_seeds_fill_one_line_and_nothing_comes_twice() {
    let film = Arc::new(Film::new(300, MIB, 4));
    let rate = 80 * MBIT;
    let mut line = Line::new(DELAY, rate);
    line.film(&film);
    // None of them could fill it alone.
    let seeds: Vec<usize> = (0..4)
        .map(|_| line.peer(25 * MBIT, Manner::Honest, &[&film]))
        .collect();
    line.fetch_ahead(7, &film);
    let started = line.now;
    assert!(line.run(600_000, |line| line.got.len() == 300));
    let took = (line.now - started) as f64 / 1e6;
    let reached = 300.0 * MIB as f64 / took / rate as f64;
    assert!(reached >= 0.8, "{reached:.2} of the line");
    nothing_twice(&line);
    let sent: u64 = seeds.iter().map(|s| line.sent(*s)).sum();
    assert_eq!(sent, 300 * MIB as u64, "not a byte twice");
    for seed in seeds {
        assert!(line.sent(seed) > 50 * MIB as u64, "all take part");
    }
    // The same for someone who watches, faster than any of them could send.
    let mut line = Line::new(DELAY, rate);
    line.film(&film);
    for _ in 0..4 {
        line.peer(25 * MBIT, Manner::Honest, &[&film]);
    }
    let player = line.play(&film, 60 * MBIT);
    line.players[player].buffer = u64::MAX / 2;
    let started = line.now;
    assert!(line.run(600_000, |line| line.got.len() == 300));
    let took = (line.now - started) as f64 / 1e6;
    let reached = 300.0 * MIB as f64 / took / rate as f64;
    assert!(reached >= 0.8, "{reached:.2} of the line");
    nothing_twice(&line);
}

#[test]
fn a_slow_peer_is_replaced_in_the_middle_of_a_segment() {
    let film = Arc::new(Film::new(60, MIB, 5));
    let mut line = Line::new(DELAY, 100 * MBIT);
    line.film(&film);
    let slow = line.peer(60_000, Manner::Honest, &[&film]);
    let player = line.play(&film, 5 * MBIT);
    line.run(1_500, |_| false);
    assert!(!line.asked.is_empty() && line.got.is_empty());
    let fast = line.peer(50 * MBIT, Manner::Honest, &[&film]);
    let began = |line: &Line| line.players[player].began.is_some();
    assert!(line.run(5_000, began), "the fast one takes over");
    assert_eq!(line.marks[0], (line.feed(slow), Mark::Slow));
    // What had come was kept: the fast one was asked for the rest.
    let (_, at, blob, from) = line.asked.iter().find(|a| a.1 == fast && a.3 > 0).unwrap();
    assert_eq!((*at, *blob), (fast, film.file.segments()[0]));
    assert!(*from >= 64 * 1024);
    // And it stays out of what is played.
    let asked = line.asked.len();
    line.run(20_000, |_| false);
    let later = line.asked[asked..].iter().filter(|a| a.1 == slow);
    assert_eq!(later.count(), 0);
    assert!(line.players[player].read > 12_000_000);
    nothing_twice(&line);
}

#[test]
fn a_liar_is_replaced_and_what_it_sent_is_not_shown() {
    let film = Arc::new(Film::new(60, MIB, 6));
    for manner in [Manner::Liar, Manner::Endless] {
        let mut line = Line::new(DELAY, 100 * MBIT);
        line.film(&film);
        // It answers first, being alone for a moment.
        let liar = line.peer(100 * MBIT, manner, &[&film]);
        let player = line.play(&film, 5 * MBIT);
        line.run(120, |_| false);
        let honest = line.peer(100 * MBIT, Manner::Honest, &[&film]);
        assert!(line.run(60_000, |line| line.got.len() == 20));
        let from: BTreeSet<usize> = line.got.iter().map(|(_, at, _)| *at).collect();
        assert_eq!(from, [honest].into(), "{manner:?}");
        assert!(line.asked.iter().any(|a| a.1 == liar));
        // The reader asserts that whatever it reads was verified.
        assert!(line.players[player].read > 0);
        if manner == Manner::Liar {
            let told = (line.feed(liar), Mark::Liar { times: 3 });
            assert!(line.marks.contains(&told), "{:?}", line.marks);
        }
        // Three times is enough: it is not asked for ever, nor for much.
        let asked = line.asked.iter().filter(|a| a.1 == liar).count();
        assert!(asked <= 8, "asked {asked} times");
        assert!(line.sent(liar) < 12 * MIB as u64, "{}", line.sent(liar));
        // Each of its segments came from elsewhere, from the first byte on.
        for (_, at, _, start) in &line.asked {
            assert!(*at == liar || *start == 0, "its bytes were kept");
        }
    }
}
