//! KerberosTime (RFC 4120 §5.2.3): whole seconds of UTC.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::der::{self, Malformed, Reader};

/// Seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

const DAY: i64 = 86_400;
/// What can be written begins with the year 0 …
const FIRST: i64 = -62_167_219_200;
/// … and ends with the year 9999.
const LAST: i64 = 253_402_300_799;

impl Time {
    /// Now, with the microseconds of its second.
    pub fn now() -> (Self, i32) {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
        (Self(seconds), since.subsec_micros().cast_signed())
    }

    /// So many seconds later.
    pub fn plus(self, seconds: i64) -> Self {
        Self(self.0.saturating_add(seconds))
    }

    /// Seconds between two.
    pub fn distance(self, other: Self) -> u64 {
        self.0.abs_diff(other.0)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        const WRONG: Malformed = Malformed("a time that is none");
        let text = reader.generalized_time()?;
        let (digits, [b'Z']) = text.split_at_checked(14).ok_or(WRONG)? else {
            return Err(WRONG);
        };
        if !digits.iter().all(u8::is_ascii_digit) {
            return Err(WRONG);
        }
        let number = |from: usize, to: usize| {
            digits[from..to]
                .iter()
                .fold(0, |all, digit| all * 10 + i64::from(digit - b'0'))
        };
        let (year, month, day) = (number(0, 4), number(4, 6), number(6, 8));
        let (hour, minute, second) = (number(8, 10), number(10, 12), number(12, 14));
        let whole = (1..=12).contains(&month)
            && (1..=31).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !whole {
            return Err(WRONG);
        }
        let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second;
        Ok(Self(seconds.min(LAST)))
    }

    pub(super) fn write(self) -> Vec<u8> {
        let seconds = self.0.clamp(FIRST, LAST);
        let (year, month, day) = date(seconds.div_euclid(DAY));
        let second = seconds.rem_euclid(DAY);
        der::generalized_time(&format!(
            "{year:04}{month:02}{day:02}{:02}{:02}{:02}Z",
            second / 3600,
            second / 60 % 60,
            second % 60
        ))
    }
}

/// The time in a PA-ENC-TS-ENC (RFC 4120 §5.2.7.2).
///
/// # Errors
/// It is none.
pub fn read_timestamp(bytes: &[u8]) -> Result<Time, Malformed> {
    let mut fields = Reader::new(bytes).sequence()?;
    Time::read(&mut fields.field(0)?)
}

/// A PA-ENC-TS-ENC.
pub fn write_timestamp((time, micros): (Time, i32)) -> Vec<u8> {
    der::sequence(&[
        der::field(0, &time.write()),
        der::field(1, &der::integer(micros.into())),
    ])
}

/// Days since the epoch of a date of the Gregorian calendar, counted in years that begin in March,
/// so that the leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year
        - 719_468
}

/// The date of a day since the epoch.
fn date(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let era = day.div_euclid(146_097);
    let of_era = day.rem_euclid(146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let of_month = of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    (era * 400 + year, month, of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_written() {
        for (seconds, text) in [
            (FIRST, "00000101000000Z"),
            (0, "19700101000000Z"),
            (951_782_400, "20000229000000Z"),
            (1_709_251_199, "20240229235959Z"),
            (1_361_112_845, "20130217145405Z"),
            (4_102_444_800, "21000101000000Z"),
            (LAST, "99991231235959Z"),
        ] {
            let bytes = Time(seconds).write();
            assert_eq!(&bytes[2..], text.as_bytes());
            assert_eq!(Time::read(&mut Reader::new(&bytes)), Ok(Time(seconds)));
        }
        for text in [
            "20130217145405",
            "20131317145405Z",
            "2013021714540.Z",
            "20130217145405+",
            "",
        ] {
            let bytes = der::generalized_time(text);
            assert!(Time::read(&mut Reader::new(&bytes)).is_err(), "{text}");
        }
    }
}
