//! Days and times as TDS counts them, and as text.

/// Days from 0001-01-01 to 1900-01-01, where the older types begin.
pub const DAYS_TO_1900: i64 = 693_595;
/// Days from 0001-01-01 to 1970-01-01.
pub const DAYS_TO_1970: i64 = 719_162;
/// The last day, 9999-12-31.
pub const LAST_DAY: i64 = 3_652_058;
/// Units of 100 ns in a day.
pub const DAY: u64 = 864_000_000_000;

/// A point in time, without a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    /// Days since 0001-01-01, 0 to [`LAST_DAY`].
    pub day: i64,
    /// Units of 100 ns since midnight, below [`DAY`].
    pub time: u64,
}

/// Year, month and day of a day since 0001-01-01 (the Gregorian calendar, also before it was).
pub fn date_of(day: i64) -> (i64, u32, u32) {
    // From 0000-03-01, so that a leap day is the last of its year.
    let from_march = day + 306;
    let era = from_march.div_euclid(146_097);
    let of_era = from_march.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    (year_of_era + era * 400 + carry, month as u32, day as u32)
}

/// The day since 0001-01-01; none for a date that there is not, or outside of years 1 to 9999.
pub fn day_of(year: i64, month: u32, day: u32) -> Option<i64> {
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (shifted, from_march) = if month > 2 {
        (year, i64::from(month) - 3)
    } else {
        (year - 1, i64::from(month) + 9)
    };
    let era = shifted.div_euclid(400);
    let of_era = shifted.rem_euclid(400);
    let of_year = (153 * from_march + 2) / 5 + i64::from(day) - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 306;
    (date_of(days) == (year, month, day)).then_some(days)
}

/// `2013-10-09`.
pub fn date_text(day: i64) -> String {
    let (year, month, day) = date_of(day.clamp(0, LAST_DAY));
    format!("{year:04}-{month:02}-{day:02}")
}

/// `12:30:00.1234567`, with so many digits of the second, 0 to 7.
pub fn time_text(time: u64, digits: usize) -> String {
    let (seconds, rest) = (time / 10_000_000, time % 10_000_000);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let text = format!("{hours:02}:{minutes:02}:{:02}.{rest:07}", seconds % 60);
    let digits = digits.min(7);
    text[..if digits == 0 { 8 } else { 9 + digits }].to_owned()
}

impl Moment {
    /// From microseconds since 1970-01-01.
    pub fn of_unix(micros: u64) -> Self {
        let time = micros % 86_400_000_000 * 10;
        let day = i64::try_from(micros / 86_400_000_000).unwrap_or(0) + DAYS_TO_1970;
        Self {
            day: day.min(LAST_DAY),
            time,
        }
    }

    /// `2013-10-09 12:30:00.1234567`, with so many digits of the second, 0 to 7.
    pub fn text(self, digits: usize) -> String {
        format!("{} {}", date_text(self.day), time_text(self.time, digits))
    }

    /// Reads `2013-10-09`, `20131009`, either with a time behind a blank or a `T`, or a time alone
    /// (of 1900-01-01). A zone at the end is not read.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (date, time) = match text.split_once([' ', 'T']) {
            Some((date, time)) => (Some(date), Some(time)),
            None if text.contains(':') => (None, Some(text)),
            None => (Some(text), None),
        };
        let day = match date {
            None => DAYS_TO_1900,
            Some(date) => parse_date(date)?,
        };
        let time = time.map_or(Some(0), |time| parse_time(time.trim_end_matches('Z')))?;
        Some(Self { day, time })
    }

    /// Later, or earlier, by so many units of 100 ns; none outside of years 1 to 9999.
    pub fn shifted(self, units: i128) -> Option<Self> {
        let all = i128::from(self.day) * i128::from(DAY) + i128::from(self.time) + units;
        let day = i64::try_from(all.div_euclid(i128::from(DAY))).ok()?;
        let time = u64::try_from(all.rem_euclid(i128::from(DAY))).ok()?;
        (0..=LAST_DAY).contains(&day).then_some(Self { day, time })
    }
}

fn parse_date(date: &str) -> Option<i64> {
    let number = |text: &str| -> Option<u32> {
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| text.parse().ok())?
    };
    if date.len() == 8 && date.is_ascii() && !date.contains('-') {
        let (year, rest) = date.split_at(4);
        let (month, day) = rest.split_at(2);
        return day_of(number(year)?.into(), number(month)?, number(day)?);
    }
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    day_of(number(year)?.into(), number(month)?, number(day)?)
}

fn parse_time(time: &str) -> Option<u64> {
    let mut parts = time.splitn(3, ':');
    let mut next = |most: u64| -> Option<Option<u64>> {
        let Some(text) = parts.next() else {
            return Some(None);
        };
        let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let value = plain.then(|| text.parse().ok())??;
        (value <= most).then_some(Some(value))
    };
    let hours = next(23)??;
    let minutes = next(59)??;
    let seconds = parts.next().unwrap_or("0");
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let whole: u64 = whole.parse().ok().filter(|whole| *whole < 60)?;
    let digits: String = fraction.chars().take(7).collect();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let fraction: u64 = format!("{digits:0<7}").parse().ok()?;
    Some(((hours * 60 + minutes) * 60 + whole) * 10_000_000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_as_the_specification_does() {
        assert_eq!(day_of(1, 1, 1), Some(0));
        assert_eq!(day_of(1900, 1, 1), Some(DAYS_TO_1900));
        assert_eq!(day_of(1970, 1, 1), Some(DAYS_TO_1970));
        assert_eq!(day_of(9999, 12, 31), Some(LAST_DAY));
        assert_eq!(day_of(2013, 2, 29), None);
        for day in (0..=LAST_DAY).step_by(97) {
            let (year, month, of_month) = date_of(day);
            assert_eq!(day_of(year, month, of_month), Some(day));
        }
    }

    #[test]
    fn texts_are_read_back() {
        for text in ["2013-10-09 12:30:00.1234567", "0001-01-01 00:00:00.0000000"] {
            assert_eq!(
                Moment::parse(text).map(|m| m.text(7)).as_deref(),
                Some(text)
            );
        }
        let same = Moment::parse("2013-10-09T12:30:00Z");
        assert_eq!(same, Moment::parse("20131009 12:30"));
        for text in [
            "",
            "x",
            "2013-13-01",
            "2013-10-09 25:00",
            "2013-10-09 1:2:3.x",
            "é2345678",
        ] {
            assert_eq!(Moment::parse(text), None, "{text}");
        }
    }
}
