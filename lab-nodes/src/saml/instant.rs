//! Points in time as XML writes them (xs:dateTime).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, from then to the year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instant(u64);

const DAY: u64 = 86_400_000;

impl Instant {
    /// Of the system's clock.
    pub fn new(at: SystemTime) -> Self {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// For the system's clock.
    pub fn system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }

    /// How long it is from an earlier one; none if that is a later one.
    pub fn since(self, earlier: Self) -> Option<Duration> {
        self.0.checked_sub(earlier.0).map(Duration::from_millis)
    }

    /// So much later.
    pub fn after(self, by: Duration) -> Self {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(by))
    }

    /// So much earlier.
    pub fn before(self, by: Duration) -> Self {
        let by = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(by))
    }

    /// From `2013-06-30T12:00:00.000Z`, with or without a fraction, in UTC or with an offset. None:
    /// it is no such thing, or says no time zone.
    pub fn read(text: &str) -> Option<Self> {
        let (date, rest) = text.split_at_checked(10)?;
        let mut parts = date.split('-');
        let year = number(parts.next()?, 4)?;
        let month = number(parts.next()?, 2)?;
        let day = number(parts.next()?, 2)?;
        let rest = rest.strip_prefix('T')?;
        let (time, rest) = rest.split_at_checked(8)?;
        let mut parts = time.split(':');
        let hour = number(parts.next()?, 2)?;
        let minute = number(parts.next()?, 2)?;
        let second = number(parts.next()?, 2)?;
        if !(1970..=9999).contains(&year)
            || !(1..=12).contains(&month)
            || !(1..=days_in(year, month)).contains(&day)
            || hour > 23
            || minute > 59
            || second > 59
        {
            return None;
        }
        let (millis, zone) = fraction(rest)?;
        let local = days_before(year, month, day) * DAY
            + ((hour * 60 + minute) * 60 + second) * 1000
            + millis;
        match zone.split_at_checked(1)? {
            ("Z", "") => Some(Self(local)),
            ("+", offset) => local.checked_sub(minutes(offset)? * 60_000).map(Self),
            ("-", offset) => Some(Self(local + minutes(offset)? * 60_000)),
            _ => None,
        }
    }
}

/// In UTC, with milliseconds.
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut days, rest) = (self.0 / DAY, self.0 % DAY);
        let mut year = 1970;
        while days >= days_in_year(year) && year < 9999 {
            days -= days_in_year(year);
            year += 1;
        }
        let mut month = 1;
        while month < 12 && days >= days_in(year, month) {
            days -= days_in(year, month);
            month += 1;
        }
        let (seconds, millis) = (rest / 1000, rest % 1000);
        write!(
            f,
            "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{millis:03}Z",
            days + 1,
            seconds / 3600,
            seconds / 60 % 60,
            seconds % 60
        )
    }
}

fn number(text: &str, digits: usize) -> Option<u64> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// Milliseconds of a fraction of a second, and what follows.
fn fraction(text: &str) -> Option<(u64, &str)> {
    let Some(rest) = text.strip_prefix('.') else {
        return Some((0, text));
    };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=12).contains(&digits) {
        return None;
    }
    let (digits, zone) = rest.split_at(digits);
    let millis = format!("{digits:0<3}");
    Some((millis.get(..3)?.parse().ok()?, zone))
}

/// Minutes of an offset (`05:30`).
fn minutes(offset: &str) -> Option<u64> {
    let (hours, minutes) = offset.split_once(':')?;
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (hours <= 14 && minutes <= 59).then_some(hours * 60 + minutes)
}

fn leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_year(year: u64) -> u64 {
    if leap(year) { 366 } else { 365 }
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        2 if leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the Unix epoch to this one.
fn days_before(year: u64, month: u64, day: u64) -> u64 {
    let years: u64 = (1970..year).map(days_in_year).sum();
    let months: u64 = (1..month).map(|month| days_in(year, month)).sum();
    years + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_read_and_written() {
        for (text, millis) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2013-02-14T08:30:05.250Z", 1_360_830_605_250),
            ("2024-02-29T23:59:59.999Z", 1_709_251_199_999),
            ("9999-12-31T23:59:59.000Z", 253_402_300_799_000),
        ] {
            assert_eq!(Instant::read(text), Some(Instant(millis)), "{text}");
            assert_eq!(Instant(millis).to_string(), text);
        }
        let noon = Instant::read("2013-06-30T12:00:00Z");
        assert!(noon.is_some());
        for same in [
            "2013-06-30T12:00:00.0000000Z",
            "2013-06-30T14:00:00+02:00",
            "2013-06-30T06:30:00.0-05:30",
        ] {
            assert_eq!(Instant::read(same), noon, "{same}");
        }
    }

    #[test]
    fn what_is_no_instant_is_none() {
        for text in [
            "",
            "2013",
            "2013-06-30",
            "2013-06-30T12:00:00",
            "2013-02-29T00:00:00Z",
            "2013-13-01T00:00:00Z",
            "2013-06-30T24:00:00Z",
            "2013-06-30T12:00:00.Z",
            "2013-06-30t12:00:00Z",
            "2013-06-30T12:00:00z",
            "2013-06-30T12:00:00ZZ",
            "1969-12-31T23:59:59Z",
            "+013-06-30T12:00:00Z",
            "2013-06-30T12:00:00+15:00",
            "1970-01-01T00:00:00+01:00",
            "２013-06-30T12:00:00Z",
        ] {
            assert_eq!(Instant::read(text), None, "{text}");
        }
    }
}
