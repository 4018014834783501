//! Time as the directory writes it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds from 1601 to 1970.
const SINCE_1601: u64 = 11_644_473_600;

/// In 100 ns since 1601 ([MS-DTYP] §2.3.3); 0 for never.
pub fn file_time(at: Option<SystemTime>) -> u64 {
    let since = at.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    since.map_or(0, |since| {
        (since.as_secs() + SINCE_1601) * 10_000_000 + u64::from(since.subsec_nanos()) / 100
    })
}

/// As generalized time (`20130101000000.0Z`).
pub fn generalized(at: SystemTime) -> String {
    let seconds = at
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let (days, second) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}{hour:02}{minute:02}{second:02}.0Z")
}

/// The date of a day since 1970.
fn date(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101000000.0Z"),
            (951_782_399, "20000228235959.0Z"),
            (951_782_400, "20000229000000.0Z"),
            (1_356_998_400, "20130101000000.0Z"),
            (1_735_603_199, "20241230235959.0Z"),
        ] {
            let at = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!(generalized(at), text);
        }
        let made = UNIX_EPOCH + Duration::from_secs(1_356_998_400);
        assert_eq!(file_time(Some(made)), 130_014_720_000_000_000);
        assert_eq!(file_time(None), 0);
    }
}
