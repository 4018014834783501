//! `lab capture`.

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use lab_core::kernel::packet::RingSize;
use lab_core::observe::capture::{Capture as Running, Wanted};
use lab_core::observe::filter;
use lab_core::observe::names::Names;
use lab_core::observe::target::Target;
use lab_core::run::client::Tap;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::SignalFd;

use crate::capture::{Form, KeyLog, Limits, Lines, Outlet, Pcapng, Session, Summed, Writer};
use crate::output::{Failure, Screen};
use crate::running::Which;

/// Watch packets on the links of a lab
///
/// Of a node, what passes its links, both ways. Of a segment or the whole lab, each packet once a
/// segment: where its sender puts it on. A line a packet, or with -w a pcapng file in which each
/// interface has the name of its link (`gateway/wan`) and addresses have theirs.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab capture                                     the whole lab
  lab capture gateway -f 'tcp port 443'           all links of gateway
  lab capture gateway:wan frontend                a link and a segment
  lab capture web1:lo                             what web1 says to itself
  lab capture gateway -w - | wireshark -k -i -    live in Wireshark
  lab capture -w all.pcapng --duration 10s
  lab capture pc1 -f 'host lb and not arp' --count 20 --json

A filter is one of tcpdump (pcap-filter(7)); names in it are those of the lab.")]
pub struct Capture {
    /// NODE, SEGMENT, NODE:SEGMENT for one link, or NODE:lo; :SEGMENT where a node has that name
    /// too [default: the whole lab]
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// Only packets that fit, as tcpdump would write it
    #[arg(short, long, value_name = "EXPRESSION")]
    filter: Option<String>,
    /// Write pcapng to a file, `-` for stdout
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    write: Option<PathBuf>,
    /// A line of JSON a packet
    #[arg(long, conflicts_with = "write")]
    json: bool,
    /// End after so many packets
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this time: 10s, 500ms, 2m
    #[arg(long, value_name = "TIME", value_parser = duration)]
    duration: Option<Duration>,
    /// Most bytes taken of a packet
    #[arg(short, long, value_name = "BYTES", default_value_t = 262_144,
          value_parser = clap::value_parser!(u32).range(1..=262_144))]
    snaplen: u32,
    /// Room for packets that are not written yet, in MB
    #[arg(long, value_name = "MB", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=1024))]
    buffer: u32,
    /// Put the TLS keys of this file (SSLKEYLOGFILE) into the capture as they come
    #[arg(long, value_name = "FILE", requires = "write", value_hint = clap::ValueHint::FilePath)]
    key_log: Option<PathBuf>,
}

impl Capture {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node or segment; the filter is wrong; it can't be written.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let lab = which.find()?;
        let plan = lab.plan()?;
        let target = Target::read(&self.targets, &plan)
            .map_err(|unknown| usage(unknown.message, unknown.help))?;
        let condition = self.condition(&Names::of(&plan))?;
        let keys = self.key_log.as_deref().map(KeyLog::open).transpose()?;
        let signals = signals()?;
        let Tap {
            packets,
            news,
            alive,
        } = match &target {
            Target::Loopback(node) => lab.tap(Some(node))?,
            Target::Links(_) => lab.tap(None)?,
        };
        let ring = RingSize {
            bytes: (self.buffer as usize) << 20,
            ..RingSize::default()
        };
        let wanted = Wanted {
            target: target.clone(),
            filter: condition,
            snaplen: self.snaplen,
            ring,
        };
        let capture = Running::begin(packets, news, &plan, wanted).map_err(|error| {
            if error.kind() == ErrorKind::InvalidInput {
                return usage(error.to_string(), Some("ask for less at once".into()));
            }
            Failure::host(
                format!("can't capture: {error}"),
                Some("a smaller --buffer takes less memory".into()),
            )
        })?;
        let outlet = self.outlet()?;
        let links = capture.links();
        let writer = match &self.write {
            Some(_) => Writer::Pcapng(Box::new(Pcapng::new(
                plan,
                self.filter.clone(),
                self.snaplen,
                None,
            ))),
            None => {
                let form = if self.json { Form::Json } else { Form::Text };
                let width = links
                    .iter()
                    .map(|link| link.to_string().chars().count())
                    .max();
                Writer::Lines(Lines::new(form, screen.stdout(), width.unwrap_or_default()))
            }
        };
        let limits = Limits {
            count: self.count,
            until: self.duration.map(|duration| Instant::now() + duration),
        };
        let counted = match links.len() {
            1 => "1 link".to_owned(),
            count => format!("{count} links"),
        };
        screen.note(&format!("capturing {target}: {counted}; Ctrl-C ends it"));
        let session = Session::new(&lab, capture, (writer, outlet), &signals, alive, limits);
        let summed = session.run(&target.to_string(), keys)?;
        tell(&summed, &lab.name, screen);
        Ok(ExitCode::SUCCESS)
    }

    fn condition(&self, names: &Names) -> Result<filter::Condition, Failure> {
        let text = self.filter.as_deref().unwrap_or_default();
        filter::parse(text, names).map_err(|wrong| {
            let help = wrong.help.unwrap_or_else(|| {
                "pcap-filter(7) has the language, for example 'tcp port 443 and host web1'".into()
            });
            usage(
                format!("the filter `{text}` is wrong: {}", wrong.message),
                Some(help),
            )
        })
    }

    fn outlet(&self) -> Result<Outlet, Failure> {
        let stdout = || {
            std::io::stdout()
                .as_fd()
                .try_clone_to_owned()
                .map(File::from)
        };
        let (name, file) = match &self.write {
            Some(path) if path != Path::new("-") => {
                (path.display().to_string(), File::create(path))
            }
            Some(_) if std::io::IsTerminal::is_terminal(&std::io::stdout()) => {
                return Err(Failure::usage(
                    "a capture is no text for a terminal",
                    "name a file, or a program to read it: `-w - | wireshark -k -i -`",
                ));
            }
            _ => ("the output".to_owned(), stdout()),
        };
        file.and_then(Outlet::new)
            .map_err(|error| Failure::host(format!("can't write {name}: {error}"), None))
    }
}

fn usage(message: String, help: Option<String>) -> Failure {
    Failure::Refused(lab_core::run::control::Refusal {
        message,
        help,
        code: 2,
    })
}

/// What asks a capture to end arrives as something to read.
fn signals() -> Result<SignalFd, Failure> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block()
        .and_then(|()| SignalFd::new(&set))
        .map_err(|error| Failure::host(format!("can't wait for signals: {error}"), None))
}

fn tell(summed: &Summed, lab: &str, screen: &Screen) {
    if summed.gone {
        screen.note(&format!(
            "what was captured of {lab} is no more: it went down"
        ));
    }
    if summed.abandoned {
        screen.note("who reads the capture took nothing more: its end is missing");
    }
    let packets = match summed.packets {
        1 => "1 packet".to_owned(),
        count => format!("{count} packets"),
    };
    let lost = match summed.dropped {
        0 => "none lost".to_owned(),
        lost => format!(
            "{lost} LOST: they came faster than they were written; a narrower filter, \
             a smaller --snaplen or a larger --buffer helps"
        ),
    };
    screen.note(&format!("{packets} captured, {lost}"));
}

/// `10s`, `500ms`, `2m`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => 0.0,
    };
    let number: f64 = number.parse().unwrap_or_default();
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|duration| !duration.is_zero() && *duration < Duration::from_secs(366 * 86_400))
        .ok_or_else(|| "a time looks like 10s, 500ms, 2m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::duration;

    #[test]
    fn times_have_units() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "0s", "s", "5 parsecs", "-1s", "1e9h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }
}
