//! YAML text → [`Tree`]. Bounded in size, depth and number of values: a lab file
//! may come from anybody. Anchors and aliases are refused, so nothing can expand.

use std::sync::Arc;

use granit_parser::{ErrorKind, Event, Options, Parser, ScalarStyle, Span};

use super::{Diagnostic, Place, Spanned, Tree, Value};

/// Largest lab file, in bytes.
pub const MAX_BYTES: usize = 4 << 20;
/// Deepest nesting of maps and lists.
pub const MAX_DEPTH: usize = 64;
/// Most keys and values of one file; each takes about a hundred bytes in memory. A lab of 1,000
/// nodes has some 20,000.
pub const MAX_VALUES: usize = 500_000;
/// Most anchors and aliases reported.
const MAX_ALIASES: usize = 10;

/// Reads one file. What cannot be read is left out of the tree; a syntax error
/// ends the reading, since what follows it would be guesswork.
pub fn parse(file: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Tree> {
    let file: Arc<str> = file.into();
    if text.len() > MAX_BYTES {
        let place = Place {
            file,
            line: 1,
            column: 1,
            offset: 0,
            len: 0,
        };
        diagnostics.push(
            Diagnostic::error(
                "lab::too-large",
                format!(
                    "The file has {} bytes; a lab file has at most 4 MiB.",
                    text.len()
                ),
                &place,
                "this file",
            )
            .help("split it with `include:`, or put large contents in files of their own"),
        );
        return None;
    }
    let mut options = Options::default();
    options.disallow_directives = false;
    options.emit_unresolved_aliases = true;
    options.set_emit_comments(false);
    // One more than allowed, so that the error below speaks, not the parser's.
    options.flow_nesting_limit = MAX_DEPTH + 1;
    options.block_nesting_limit = MAX_DEPTH + 1;
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        lines: line_starts(text),
        text,
        file,
        aliases: 0,
        values: 0,
        last: (0, 0, 1),
        diagnostics,
    };
    let tree = reader.document().ok()?;
    // What an alias stands for is not known, and would be missed everywhere.
    (reader.aliases == 0).then_some(tree)
}

/// Reading cannot go on; the reason is among the diagnostics.
struct Stop;

struct Reader<'a, P> {
    events: P,
    lines: Vec<usize>,
    text: &'a str,
    file: Arc<str>,
    aliases: usize,
    values: usize,
    /// The last place: where its line begins, its offset, its column. Counting on from it keeps
    /// the time linear in a file that is one long line.
    last: (usize, usize, usize),
    diagnostics: &'a mut Vec<Diagnostic>,
}

type Scanned<'a> = Result<(Event<'a>, Span), granit_parser::ScanError>;

impl<'a, P: Iterator<Item = Scanned<'a>>> Reader<'a, P> {
    fn next(&mut self) -> Result<(Event<'a>, Place), Stop> {
        match self.events.next() {
            Some(Ok((event, span))) => {
                let place = self.place(&span);
                self.values += 1;
                if self.values > MAX_VALUES {
                    return Err(self.too_many(&place));
                }
                Ok((event, place))
            }
            Some(Err(error)) => {
                let mark = *error.marker();
                let place = self.place(&Span::empty(mark));
                let place = Place {
                    len: usize::from(place.offset < self.text.len()),
                    ..place
                };
                if *error.kind() == ErrorKind::RecursionLimitExceeded {
                    return Err(self.too_deep(&place));
                }
                self.diagnostics.push(
                    Diagnostic::error(
                        "lab::syntax",
                        format!("This is not YAML: {}.", error.info()),
                        &place,
                        "here",
                    )
                    .help(
                        "indent with spaces, close every bracket and quote, and quote text that \
                         holds `: ` or starts with `*`, `&`, `@`, `%` or a backtick",
                    ),
                );
                Err(Stop)
            }
            None => Err(Stop),
        }
    }

    fn place(&mut self, span: &Span) -> Place {
        let offset = |mark: &granit_parser::Marker| {
            mark.byte_offset()
                .unwrap_or(self.text.len())
                .min(self.text.len())
        };
        let (start, end) = (offset(&span.start), offset(&span.end));
        let line = self.lines.partition_point(|begin| *begin <= start).max(1);
        let begin = self.lines.get(line - 1).copied().unwrap_or(0);
        let (from, column) = match self.last {
            (line, offset, column) if line == begin && offset <= start => (offset, column),
            _ => (begin, 1),
        };
        let column = self
            .text
            .get(from..start)
            .map_or(1, |between| between.chars().count() + column);
        self.last = (begin, start, column);
        Place {
            file: self.file.clone(),
            line: u32::try_from(line).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            offset: start,
            len: end.saturating_sub(start),
        }
    }

    fn document(&mut self) -> Result<Tree, Stop> {
        let mut root = None;
        loop {
            let (event, place) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) if root.is_none() => {}
                Event::DocumentStart(..) => {
                    self.diagnostics.push(
                        Diagnostic::error(
                            "lab::syntax",
                            "A lab file is one YAML document; a second one starts here.",
                            &place,
                            "second document",
                        )
                        .help("remove the `---`, or put the second document in a file of its own"),
                    );
                    return Err(Stop);
                }
                Event::StreamEnd => {
                    return Ok(root.unwrap_or(Tree {
                        place,
                        value: Value::Null,
                    }));
                }
                event => root = Some(self.node(event, place, 1)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, place: Place, depth: usize) -> Result<Tree, Stop> {
        if event.anchor_id().is_some_and(|id| id != 0) {
            self.refuse_alias(&place, "anchor (`&name`)");
        }
        if depth > MAX_DEPTH {
            return Err(self.too_deep(&place));
        }
        match event {
            Event::Scalar(text, style, ..) => {
                let quoted = style != ScalarStyle::Plain;
                let null = !quoted && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                let value = if null {
                    Value::Null
                } else {
                    Value::Scalar {
                        text: text.into_owned(),
                        quoted,
                    }
                };
                Ok(Tree { place, value })
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                self.refuse_alias(&place, "alias (`*name`)");
                Ok(Tree {
                    place,
                    value: Value::Null,
                })
            }
            Event::SequenceStart(..) => self.list(place, depth),
            Event::MappingStart(..) => self.map(place, depth),
            _ => Err(Stop),
        }
    }

    fn list(&mut self, start: Place, depth: usize) -> Result<Tree, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let place = self.covering(&start, &place);
                return Ok(Tree {
                    place,
                    value: Value::List(items),
                });
            }
            items.push(self.node(event, place, depth + 1)?);
        }
    }

    fn map(&mut self, start: Place, depth: usize) -> Result<Tree, Stop> {
        let mut entries: Vec<(Spanned<String>, Tree)> = Vec::new();
        let mut seen = std::collections::HashMap::new();
        loop {
            let (event, place) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let place = self.covering(&start, &place);
                return Ok(Tree {
                    place,
                    value: Value::Map(entries),
                });
            }
            let key = match event {
                // `~:` and `null:` stay what is written: nobody means a null key.
                Event::Scalar(text, _, 0, _) => Some(Spanned {
                    value: text.into_owned(),
                    place: place.clone(),
                }),
                event => {
                    self.node(event, place.clone(), depth + 1)?;
                    self.diagnostics.push(
                        Diagnostic::error(
                            "lab::syntax",
                            "A key must be plain text, not a list or a map.",
                            &place,
                            "not a key",
                        )
                        .help("write `key: value`"),
                    );
                    None
                }
            };
            let (event, place) = self.next()?;
            let value = self.node(event, place, depth + 1)?;
            let Some(key) = key else { continue };
            match seen.entry(key.value.clone()) {
                std::collections::hash_map::Entry::Vacant(slot) => {
                    slot.insert(key.place.clone());
                    entries.push((key, value));
                }
                std::collections::hash_map::Entry::Occupied(first) => self.diagnostics.push(
                    Diagnostic::error(
                        "lab::duplicate-key",
                        format!("`{}` stands twice in the same map.", key.value),
                        &key.place,
                        "again here",
                    )
                    .also(first.get(), "first here")
                    .help("remove one of the two, or give one another name"),
                ),
            }
        }
    }

    /// From the start of a collection to its end, without the white space after a block.
    fn covering(&self, start: &Place, end: &Place) -> Place {
        let end = (end.offset + end.len).max(start.offset);
        let inside = self.text.get(start.offset..end).unwrap_or("");
        Place {
            len: inside.trim_end().len(),
            ..start.clone()
        }
    }

    fn too_deep(&mut self, place: &Place) -> Stop {
        self.diagnostics.push(
            Diagnostic::error(
                "lab::too-deep",
                format!("Maps and lists are nested deeper than {MAX_DEPTH} levels."),
                place,
                "one level too many",
            )
            .help("no lab file needs that; was an indentation or a bracket lost?"),
        );
        Stop
    }

    fn too_many(&mut self, place: &Place) -> Stop {
        self.diagnostics.push(
            Diagnostic::error(
                "lab::too-large",
                format!("The file has more than {MAX_VALUES} keys and values."),
                place,
                "the first too many",
            )
            .help("several alike nodes are one entry with `count:`"),
        );
        Stop
    }

    fn refuse_alias(&mut self, place: &Place, what: &str) {
        self.aliases += 1;
        if self.aliases > MAX_ALIASES {
            return;
        }
        self.diagnostics.push(
            Diagnostic::error(
                "lab::alias",
                format!("A lab file has no YAML anchors and aliases; this is an {what}."),
                place,
                "not allowed here",
            )
            .help(
                "write the value out; several alike nodes are one entry with `count:`, \
                 a zone like another one is `like: VIEW`, and text that starts with `*` or `&` \
                 goes in quotes",
            ),
        );
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect()
}
