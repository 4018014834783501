//! A line a packet.

use lab_core::observe::capture::Seen;
use lab_core::observe::summary::{Direction, Sighting};
use serde::Serialize;

use crate::output::{Colour, JSON_VERSION, Paint};

/// For whom lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// People.
    Text,
    /// Programs: an object of JSON a line.
    Json,
}

/// Writes a line a packet.
#[derive(Debug)]
pub struct Lines {
    form: Form,
    paint: Paint,
    /// The longest name of a link so far: what stands behind lines up.
    width: usize,
}

impl Lines {
    /// In a form; colours are for people.
    pub fn new(form: Form, paint: Paint, width: usize) -> Self {
        Self { form, paint, width }
    }

    /// Appends a packet's line.
    pub fn packet(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>) {
        let sighting = seen.sighting();
        let line = match self.form {
            Form::Text => self.text(&sighting),
            Form::Json => json(&sighting),
        };
        out.extend(line.as_bytes());
        out.push(b'\n');
    }

    fn text(&mut self, sighting: &Sighting) -> String {
        let link = sighting.link.to_string();
        self.width = self.width.max(link.chars().count());
        let gap = " ".repeat(self.width - link.chars().count());
        let way = match sighting.direction {
            Direction::In => "in ",
            Direction::Out => "out",
        };
        format!(
            "{} {}{gap} {way} {}",
            self.paint.colour(Colour::Grey, &clock(sighting.time)),
            self.paint.colour(Colour::Cyan, &link),
            sighting.headers
        )
    }
}

#[derive(Serialize)]
struct Versioned<'a> {
    version: u32,
    #[serde(flatten)]
    sighting: &'a Sighting,
}

fn json(sighting: &Sighting) -> String {
    let versioned = Versioned {
        version: JSON_VERSION,
        sighting,
    };
    // Names, numbers and addresses: there is nothing that JSON can't say.
    serde_json::to_string(&versioned).unwrap_or_default()
}

/// Time of day in UTC, of nanoseconds since the epoch.
fn clock(time: u64) -> String {
    let seconds = time / 1_000_000_000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}.{:06}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        time / 1000 % 1_000_000
    )
}
