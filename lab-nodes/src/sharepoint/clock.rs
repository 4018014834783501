//! Points in time as the protocols write them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::saml::Instant;

/// Now, as it is stored and as OData writes it: `2013-06-30T12:00:00Z`.
pub(super) fn now() -> String {
    of(SystemTime::now())
}

/// The same of another time.
pub(super) fn of(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let whole = UNIX_EPOCH + Duration::from_secs(since.as_secs());
    let text = Instant::new(whole).to_string();
    // A second is as exact as SharePoint is.
    match text.split_once('.') {
        Some((second, _)) => format!("{second}Z"),
        None => text,
    }
}

/// What was stored, as a time; the epoch if it is none.
pub(super) fn read(text: &str) -> SystemTime {
    Instant::read(text).map_or(UNIX_EPOCH, Instant::system_time)
}

/// As HTTP writes it (RFC 9110 §5.6.7): `Sun, 30 Jun 2013 12:00:00 GMT`.
pub(super) fn http(stored: &str) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let time = read(stored);
    let text = of(time);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let day = usize::try_from(since.as_secs() / 86_400).unwrap_or_default();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or("01");
    let month = part(5, 7).parse::<usize>().unwrap_or(1).clamp(1, 12);
    format!(
        "{}, {} {} {} {} GMT",
        DAYS[day % 7],
        part(8, 10),
        MONTHS[month - 1],
        part(0, 4),
        part(11, 19),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_in_rfc_9110() {
        assert_eq!(
            http("1994-11-06T08:49:37Z"),
            "Sun, 06 Nov 1994 08:49:37 GMT"
        );
        assert_eq!(of(read("2013-06-30T12:00:00Z")), "2013-06-30T12:00:00Z");
        assert_eq!(http("nonsense"), "Thu, 01 Jan 1970 00:00:00 GMT");
    }
}
