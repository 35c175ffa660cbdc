//! The hours of the day at which downloads run.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

const DAY: u16 = 24 * 60;

/// From one time of day to another, over midnight when the second is the
/// earlier one. Written `22:00-06:00`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hours {
    /// Minutes since midnight.
    from: u16,
    until: u16,
}

/// A text that names no hours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no hours: write them like 22:00-06:00")]
pub struct ParseHoursError(String);

impl Hours {
    /// Whether a minute of the day lies within.
    pub(crate) fn contains(&self, minute: u16) -> bool {
        match self.from < self.until {
            true => (self.from..self.until).contains(&minute),
            false => minute >= self.from || minute < self.until,
        }
    }

    /// The minute of the day at which a time falls, where clocks are `offset`
    /// seconds ahead of UTC.
    pub(crate) fn minute(now: u64, offset: i32) -> u16 {
        let seconds = i64::try_from(now / 1_000).unwrap_or(0) + i64::from(offset);
        let minute = seconds.rem_euclid(24 * 3_600) / 60;
        u16::try_from(minute).unwrap_or(0)
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |m: u16| (m / 60, m % 60);
        let ((a, b), (c, d)) = (time(self.from), time(self.until));
        write!(f, "{a:02}:{b:02}-{c:02}:{d:02}")
    }
}

impl FromStr for Hours {
    type Err = ParseHoursError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseHoursError(text.chars().take(40).collect());
        let time = |text: &str| -> Option<u16> {
            let (hours, minutes) = match text.trim().split_once(':') {
                Some((hours, minutes)) if minutes.len() == 2 => (hours, minutes.parse().ok()?),
                Some(_) => return None,
                None => (text.trim(), 0),
            };
            let hours: u16 = hours.parse().ok()?;
            (hours < 24 && minutes < 60 || (hours, minutes) == (24, 0))
                .then_some((hours * 60 + minutes) % DAY)
        };
        let (from, until) = text.split_once(['-', '–']).ok_or_else(wrong)?;
        match (time(from), time(until)) {
            (Some(from), Some(until)) if from != until => Ok(Self { from, until }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for Hours {
    type Error = ParseHoursError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Hours> for String {
    fn from(hours: Hours) -> Self {
        hours.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_go_over_midnight() {
        let night: Hours = "22:00-06:30".parse().unwrap();
        let at = |h: u16, m: u16| night.contains(h * 60 + m);
        assert!(at(22, 0) && at(23, 59) && at(0, 0) && at(6, 29));
        assert!(!at(6, 30) && !at(12, 0) && !at(21, 59));
        let day: Hours = " 8 - 17:05".parse().unwrap();
        assert!(day.contains(8 * 60) && !day.contains(17 * 60 + 5) && !day.contains(0));
        assert_eq!(day.to_string(), "08:00-17:05");
        let late: Hours = "18:00-24:00".parse().unwrap();
        assert!(late.contains(DAY - 1) && !late.contains(0));
    }

    #[test]
    fn what_names_no_hours_is_refused() {
        for text in [
            "",
            "22",
            "25:00-1:00",
            "1:60-2",
            "5:00-5:00",
            "a-b",
            "1:0-2:00",
            "-1-5",
            "24:30-1",
        ] {
            assert!(text.parse::<Hours>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_minute_is_that_of_the_place() {
        let noon = 1_700_049_600_000; // 2023-11-15T12:00:00Z
        assert_eq!(Hours::minute(noon, 0), 12 * 60);
        assert_eq!(Hours::minute(noon, -5 * 3_600 - 1_800), 6 * 60 + 30);
        assert_eq!(Hours::minute(noon, 13 * 3_600), 60);
        assert_eq!(Hours::minute(0, -3_600), 23 * 60);
    }
}
