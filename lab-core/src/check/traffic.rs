//! Words for traffic: `tcp/443`, `udp/50000-59999`, `ip/50`, `icmp-errors`.

use std::ops::RangeInclusive;

use super::lab::Traffic;
use crate::model::{Diagnostic, Spanned, nearest};

/// All ports.
const ALL_PORTS: RangeInclusive<u16> = 0..=u16::MAX;

/// What words mean; empty is any traffic. `None` if one of them is wrong.
pub(super) fn traffic(
    words: &[Spanned<String>],
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Vec<Traffic>> {
    let mut all = Vec::new();
    let (mut any, mut right) = (false, true);
    for word in words {
        match read(word) {
            Ok(None) => any = true,
            Ok(Some(traffic)) => all.push(traffic),
            Err(help) => {
                right = false;
                diagnostics.push(
                    Diagnostic::error(
                        "lab::bad-traffic",
                        format!("`{}` is no kind of traffic.", word.escape_debug()),
                        &word.place,
                        "not understood",
                    )
                    .help(help),
                );
            }
        }
    }
    if any {
        all.clear();
    }
    right.then_some(all)
}

fn read(word: &str) -> Result<Option<Traffic>, String> {
    let (protocol, number) = match word.split_once('/') {
        Some((protocol, number)) => (protocol, Some(number)),
        None => (word, None),
    };
    match (protocol, number) {
        ("any", None) => Ok(None),
        ("icmp", None) => Ok(Some(Traffic::Icmp)),
        ("icmp-errors", None) => Ok(Some(Traffic::IcmpErrors)),
        ("tcp", None) => Ok(Some(Traffic::Tcp(ALL_PORTS))),
        ("udp", None) => Ok(Some(Traffic::Udp(ALL_PORTS))),
        ("tcp", Some(number)) => Ok(Some(Traffic::Tcp(ports(number)?))),
        ("udp", Some(number)) => Ok(Some(Traffic::Udp(ports(number)?))),
        ("ip", Some(number)) => match number.parse() {
            Ok(number) => Ok(Some(Traffic::Protocol(number))),
            Err(_) => Err("an IP protocol has a number from 0 to 255, like `ip/50`".into()),
        },
        _ => {
            let words = ["any", "tcp", "udp", "icmp", "icmp-errors", "ip"];
            let forms = "`any`, `tcp`, `tcp/443`, `tcp/50000-59999`, `udp/…`, `icmp`, \
                         `icmp-errors` and `ip/50` are understood";
            Err(match nearest(protocol, words) {
                Some(near) if near != protocol => {
                    let number = number.map_or(String::new(), |number| format!("/{number}"));
                    format!("did you mean `{near}{number}`? {forms}")
                }
                _ => forms.into(),
            })
        }
    }
}

fn ports(text: &str) -> Result<RangeInclusive<u16>, String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|b| b.is_ascii_digit()) => Ok(port),
        _ => Err("a port is a number from 1 to 65535".to_owned()),
    };
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (port(first)?, port(last)?),
        None => (port(text)?, port(text)?),
    };
    match first <= last {
        true => Ok(first..=last),
        false => Err(format!("the range runs backwards; write `{last}-{first}`")),
    }
}

/// Whether all of `later` is among `earlier`; empty is any traffic.
pub(super) fn covers(earlier: &[Traffic], later: &[Traffic]) -> bool {
    earlier.is_empty() || (!later.is_empty() && later.iter().all(|one| covers_one(earlier, one)))
}

fn covers_one(earlier: &[Traffic], one: &Traffic) -> bool {
    // IANA: ICMP is 1, TCP 6, UDP 17.
    let whole = |number| earlier.contains(&Traffic::Protocol(number));
    let ranges = |of: fn(&Traffic) -> Option<&RangeInclusive<u16>>, wanted| {
        within(earlier.iter().filter_map(of).cloned().collect(), wanted)
    };
    match one {
        Traffic::Icmp => earlier.contains(&Traffic::Icmp),
        Traffic::IcmpErrors => {
            earlier.contains(&Traffic::Icmp) || earlier.contains(&Traffic::IcmpErrors)
        }
        Traffic::Tcp(range) => whole(6) || ranges(tcp, range),
        Traffic::Udp(range) => whole(17) || ranges(udp, range),
        Traffic::Protocol(6) => whole(6) || ranges(tcp, &ALL_PORTS),
        Traffic::Protocol(17) => whole(17) || ranges(udp, &ALL_PORTS),
        Traffic::Protocol(number) => whole(*number),
    }
}

fn tcp(traffic: &Traffic) -> Option<&RangeInclusive<u16>> {
    match traffic {
        Traffic::Tcp(range) => Some(range),
        _ => None,
    }
}

fn udp(traffic: &Traffic) -> Option<&RangeInclusive<u16>> {
    match traffic {
        Traffic::Udp(range) => Some(range),
        _ => None,
    }
}

/// Whether the union of ranges holds the wanted one.
fn within(mut ranges: Vec<RangeInclusive<u16>>, wanted: &RangeInclusive<u16>) -> bool {
    ranges.sort_by_key(|range| *range.start());
    let mut next = u32::from(*wanted.start());
    for range in ranges {
        if u32::from(*range.start()) <= next && next <= u32::from(*range.end()) {
            next = u32::from(*range.end()) + 1;
        }
    }
    next > u32::from(*wanted.end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(words: &[&str]) -> Vec<Traffic> {
        words
            .iter()
            .filter_map(|word| read(word).expect("traffic"))
            .collect()
    }

    #[test]
    fn a_rule_covers_what_its_words_hold_together() {
        assert!(covers(
            &all(&["tcp/1-100", "tcp/101-200"]),
            &all(&["tcp/50-150"])
        ));
        assert!(!covers(
            &all(&["tcp/1-100", "tcp/102-200"]),
            &all(&["tcp/50-150"])
        ));
        assert!(!covers(&all(&["tcp"]), &all(&["tcp/443", "udp/53"])));
        assert!(covers(&all(&["icmp"]), &all(&["icmp-errors"])));
        assert!(!covers(&all(&["icmp-errors"]), &all(&["icmp"])));
        assert!(covers(&all(&["ip/6"]), &all(&["tcp/443"])));
        assert!(covers(&[], &[]));
        assert!(!covers(&all(&["tcp"]), &[]));
    }

    #[test]
    fn words_that_are_no_traffic_say_what_is() {
        for wrong in [
            "tcp/0",
            "tcp/70000",
            "tcp/9-1",
            "http",
            "ip/256",
            "udp/",
            "tcp/+5",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert_eq!(read("tcp/5-7"), Ok(Some(Traffic::Tcp(5..=7))));
    }
}
