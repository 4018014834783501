//! From files to a checked lab.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::build::build;
use super::files::Contents;
use super::lab::Lab;
use super::names::Declared;
use super::read::Reader;
use crate::model::file::{File, VERSION};
use crate::model::{Decode, Diagnostic, Place, Severity, Spanned, Tree};
use crate::service::Catalogue;

/// Where a lab comes from.
#[derive(Clone, Debug)]
pub enum Source {
    /// A file, and files laid over it.
    File {
        /// The lab file.
        path: PathBuf,
        /// Overlays, in order: the later wins, `null` removes.
        overlays: Vec<PathBuf>,
    },
    /// Text inside the program.
    Embedded {
        /// The root file's name; the first file is taken if none has it.
        name: &'static str,
        /// Files by their path relative to the root file's folder.
        files: &'static [(&'static str, &'static str)],
    },
}

/// What came out of checking.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The lab, if nothing is wrong with it; there may be warnings.
    pub lab: Option<Lab>,
    /// All that is wrong, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The text of every file that was read, by its name in [`Place::file`].
    pub sources: BTreeMap<String, String>,
    /// What reading the files into a tree took.
    pub parsed: Duration,
    /// What all checks took after that.
    pub checked: Duration,
}

impl Checked {
    /// Whether there is an error among the diagnostics.
    pub fn has_errors(&self) -> bool {
        self.diagnostics
            .iter()
            .any(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

/// Reads and checks a lab: all errors in one go.
pub fn load(source: &Source, catalogue: Catalogue) -> Checked {
    let started = Instant::now();
    let mut diagnostics = Vec::new();
    let (reader, tree) = Reader::open(source, &mut diagnostics);
    check(reader, tree, catalogue, started)
}

/// Checks one text, which reports call `name`; what it includes or names is not there.
pub fn load_text(name: &str, text: &str, catalogue: Catalogue) -> Checked {
    let started = Instant::now();
    let mut diagnostics = Vec::new();
    let (reader, tree) = Reader::of_text(name, text, &mut diagnostics);
    check(reader, tree, catalogue, started)
}

fn check(
    mut reader: Reader<'_>,
    tree: Option<Tree>,
    catalogue: Catalogue,
    started: Instant,
) -> Checked {
    let parsed = started.elapsed();
    let mut decoding = Vec::new();
    let file = tree.as_ref().and_then(|tree| decode(tree, &mut decoding));
    let contents = file
        .as_ref()
        .map(|file| contents(file, &mut reader))
        .unwrap_or_default();
    let (sources, mut diagnostics) = reader.close();
    diagnostics.append(&mut decoding);
    let lab = tree.zip(file).map(|(tree, file)| {
        build(
            &file,
            &Declared::of(&tree),
            &contents,
            catalogue,
            &mut diagnostics,
        )
    });
    let has_errors = |all: &[Diagnostic]| all.iter().any(|one| one.severity == Severity::Error);
    // The last checks look at a lab that is whole.
    match &lab {
        Some(lab) if !has_errors(&diagnostics) => {
            super::services::set_up(lab, catalogue, &mut diagnostics);
            diagnostics.extend(super::ways::ways(lab));
        }
        Some(lab) => super::services::written(lab, catalogue, &mut diagnostics),
        None => {}
    }
    let order: BTreeMap<&str, usize> = sources
        .keys()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    diagnostics.sort_by_key(|diagnostic| {
        let place = diagnostic
            .labels
            .first()
            .map(|(place, _)| place.clone())
            .unwrap_or_default();
        (order.get(&*place.file).copied(), place.offset)
    });
    once(&mut diagnostics);
    let lab = lab.filter(|_| !has_errors(&diagnostics));
    Checked {
        lab,
        diagnostics,
        sources,
        parsed,
        checked: started.elapsed() - parsed,
    }
}

/// The nodes of one entry and the views of one zone share a text, whose mistakes are found
/// for each of them; they are said once. The message may name the first of them.
fn once(diagnostics: &mut Vec<Diagnostic>) {
    let mut said = BTreeSet::new();
    diagnostics.retain(|diagnostic| {
        // What a service says of its options may stand at one place, and differ.
        let message = match diagnostic.code {
            "lab::service-option" => diagnostic.message.clone(),
            _ => String::new(),
        };
        said.insert((diagnostic.code, diagnostic.labels.clone(), message))
    });
}

fn decode(tree: &Tree, diagnostics: &mut Vec<Diagnostic>) -> Option<File> {
    // A newer format has keys of its own: reporting each of them would help nobody.
    if let Some(version) = tree.get("version")
        && let Some(version) = Spanned::<u64>::decode(version, &mut Vec::new())
        && version.value != VERSION
    {
        let (problem, help) = match version.value > VERSION {
            true => ("newer than", "update Tierlab"),
            false => ("no version of", "write `version: 1`, or leave it out"),
        };
        diagnostics.push(
            Diagnostic::error(
                "lab::version",
                format!(
                    "Version {} of the lab file is {problem} what this `lab` reads, which is {VERSION}.",
                    version.value
                ),
                &version.place,
                "this version",
            )
            .help(help),
        );
        return None;
    }
    let file = File::decode(tree, diagnostics)?;
    if file.lab.is_none() && tree.get("lab").is_none() {
        let place = Place {
            len: 1,
            ..tree.place.clone()
        };
        diagnostics.push(
            Diagnostic::error(
                "lab::missing-key",
                "The lab has no name.",
                &place,
                "no `lab`",
            )
            .help("add `lab: NAME`"),
        );
    }
    Some(file)
}

/// Reads what `from:` of files names.
fn contents(file: &File, reader: &mut Reader<'_>) -> Contents {
    let mut contents = Contents::new();
    for (_, node) in file.nodes.iter() {
        for (_, source) in node.files.iter() {
            if let Some(from) = &source.from
                && !contents.contains_key(&from.value)
            {
                let content = reader.content(from);
                contents.insert(from.value.clone(), content);
            }
        }
    }
    contents
}
