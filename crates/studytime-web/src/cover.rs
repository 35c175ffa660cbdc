//! Covers for courses without a picture: a pattern in the subject's colour,
//! drawn from the course id, so that a course looks the same everywhere.

use std::fmt::Write as _;
use studytime_schema::FeedId;

/// A small, repeatable source of numbers.
struct Dice(u64);

impl Dice {
    fn new(seed: &[u8; 32]) -> Self {
        let mut state = 0xcbf2_9ce4_8422_2325_u64;
        for byte in seed {
            state = (state ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(state | 1)
    }

    /// A number from 0 to below `n`.
    fn below(&mut self, n: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from((self.0 >> 33) % u64::from(n.max(1))).unwrap_or(0)
    }
}

/// Degrees on the colour wheel of each of the twelve accents; the style sheet
/// has the same.
pub(crate) const HUES: [u16; 12] = [172, 205, 28, 262, 340, 95, 228, 12, 300, 145, 45, 188];

/// The cover as an SVG picture of 480 x 270. `hue` is one of twelve accents.
pub(crate) fn svg(course: &FeedId, hue: u8) -> String {
    let mut dice = Dice::new(course.as_bytes());
    let hue = HUES.get(usize::from(hue)).copied().unwrap_or(172);
    let turn = dice.below(40) as u16;
    let (base, second) = ((hue + 350 + turn / 2) % 360, (hue + 20 + turn) % 360);
    let mut out = String::with_capacity(3000);
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 480 270\" preserveAspectRatio=\"xMidYMid slice\">\
         <defs><linearGradient id=\"g\" x1=\"0\" y1=\"0\" x2=\"1\" y2=\"1\">\
         <stop offset=\"0\" stop-color=\"hsl({base} 42% 38%)\"/><stop offset=\"1\" stop-color=\"hsl({second} 46% 24%)\"/>\
         </linearGradient></defs><rect width=\"480\" height=\"270\" fill=\"url(#g)\"/>"
    );
    match dice.below(5) {
        0 => rings(&mut out, &mut dice),
        1 => tiles(&mut out, &mut dice),
        2 => waves(&mut out, &mut dice),
        3 => shelf(&mut out, &mut dice),
        _ => stars(&mut out, &mut dice),
    }
    out.push_str("</svg>");
    out
}

fn rings(out: &mut String, dice: &mut Dice) {
    for _ in 0..3 {
        let (x, y) = (dice.below(480), dice.below(270));
        for ring in 0..5 {
            let r = 24 + ring * (18 + dice.below(10));
            let opacity = 5 + dice.below(12);
            let _ = write!(
                out,
                "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" fill=\"none\" stroke=\"#fff\" stroke-width=\"{}\" opacity=\".{opacity:02}\"/>",
                3 + dice.below(9)
            );
        }
    }
}

fn tiles(out: &mut String, dice: &mut Dice) {
    const SIDE: u32 = 45;
    for row in 0..6 {
        for column in 0..11 {
            let (x, y) = (column * SIDE, row * SIDE);
            let opacity = 2 + dice.below(16);
            let points = match dice.below(4) {
                0 => format!("{x},{y} {},{y} {x},{}", x + SIDE, y + SIDE),
                1 => format!("{},{y} {},{} {x},{y}", x + SIDE, x + SIDE, y + SIDE),
                2 => format!("{x},{} {},{} {x},{y}", y + SIDE, x + SIDE, y + SIDE),
                _ => continue,
            };
            let _ = write!(
                out,
                "<polygon points=\"{points}\" fill=\"#fff\" opacity=\".{opacity:02}\"/>"
            );
        }
    }
}

fn waves(out: &mut String, dice: &mut Dice) {
    for layer in 0..5 {
        let y = 60 + layer * 42;
        let (a, b) = (15 + dice.below(45), 20 + dice.below(60));
        let _ = write!(
            out,
            "<path d=\"M0 {y} C 120 {} 240 {} 360 {y} S 480 {} 600 {y} V 270 H 0 Z\" fill=\"#fff\" opacity=\".{:02}\"/>",
            y - a,
            y + b,
            y + a,
            5 + dice.below(7)
        );
    }
}

/// Books on a shelf.
fn shelf(out: &mut String, dice: &mut Dice) {
    let mut x = 8;
    while x < 480 {
        let (width, height) = (14 + dice.below(26), 90 + dice.below(120));
        let _ = write!(
            out,
            "<rect x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{height}\" rx=\"2\" fill=\"#fff\" opacity=\".{:02}\"/>",
            236 - height,
            6 + dice.below(18)
        );
        x += width + 3 + if dice.below(6) == 0 { 24 } else { 0 };
    }
    out.push_str("<rect y=\"236\" width=\"480\" height=\"4\" fill=\"#fff\" opacity=\".25\"/>");
}

/// Points joined like a constellation.
fn stars(out: &mut String, dice: &mut Dice) {
    let points: Vec<_> = (0..11)
        .map(|i| (i * 46 + dice.below(40), 24 + dice.below(222)))
        .collect();
    for pair in points.windows(2) {
        if let [(x1, y1), (x2, y2)] = pair {
            let _ = write!(
                out,
                "<path d=\"M{x1} {y1}L{x2} {y2}\" stroke=\"#fff\" stroke-width=\"1.5\" opacity=\".28\"/>"
            );
        }
    }
    for (x, y) in points {
        let _ = write!(
            out,
            "<circle cx=\"{x}\" cy=\"{y}\" r=\"{}\" fill=\"#fff\" opacity=\".{:02}\"/>",
            3 + dice.below(9),
            20 + dice.below(30)
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_course_keeps_its_cover() {
        let (a, b) = (FeedId::from_bytes([1; 32]), FeedId::from_bytes([2; 32]));
        assert_eq!(svg(&a, 3), svg(&a, 3));
        assert_ne!(svg(&a, 3), svg(&b, 3));
    }

    #[test]
    fn every_cover_is_small_and_whole() {
        for seed in 0..=255u8 {
            let out = svg(&FeedId::from_bytes([seed; 32]), seed);
            assert!(out.len() < 8_000, "{}", out.len());
            assert!(out.ends_with("</svg>") && !out.contains("<script"));
        }
    }
}
