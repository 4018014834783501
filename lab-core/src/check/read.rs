//! Reading a lab's files: the only place of `check` that does I/O.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::model::decode::Fields;
use crate::model::{Diagnostic, Many, Place, Spanned, Tree, Value, merge, yaml};

use super::source::Source;

/// Largest file that `from:` puts into a node, in bytes.
const MAX_CONTENT: u64 = 16 << 20;

/// Most files of one lab; each may be [`yaml::MAX_BYTES`] long.
const MAX_FILES: usize = 64;
/// Most bytes of one lab's files together, and of the contents that `from:` names together.
const MAX_TOTAL: usize = 32 << 20;

/// Where files come from.
enum Store {
    /// The root file's folder.
    Folder(PathBuf),
    /// Text inside the program.
    Embedded(&'static [(&'static str, &'static str)]),
}

/// Reads files, and keeps their text for the reports.
pub(super) struct Reader<'d> {
    store: Store,
    /// What stands before the names of files in reports: the root's folder as the user named it.
    prefix: String,
    sources: BTreeMap<String, String>,
    /// Bytes read so far: of lab files, and of contents.
    read: (usize, usize),
    diagnostics: &'d mut Vec<Diagnostic>,
}

impl<'d> Reader<'d> {
    /// Reads the root file, all that it includes, and the overlays; gives the reader back for
    /// the contents that the lab names.
    pub(super) fn open(
        source: &Source,
        diagnostics: &'d mut Vec<Diagnostic>,
    ) -> (Self, Option<Tree>) {
        match source {
            Source::Embedded { name, files } => {
                let root = match files.iter().any(|(file, _)| file == name) {
                    true => name,
                    false => files.first().map_or(*name, |(file, _)| file),
                };
                let mut reader = Self {
                    store: Store::Embedded(files),
                    prefix: String::new(),
                    sources: BTreeMap::new(),
                    read: (0, 0),
                    diagnostics,
                };
                let tree = reader.tree(root, None, &mut Vec::new());
                (reader, tree)
            }
            Source::File { path, overlays } => {
                let mut reader = Self {
                    store: Store::Folder(PathBuf::new()),
                    prefix: String::new(),
                    sources: BTreeMap::new(),
                    read: (0, 0),
                    diagnostics,
                };
                let mut tree = reader.root(path);
                for overlay in overlays {
                    if let (Some(over), Some(tree)) = (reader.root(overlay), &mut tree) {
                        merge::overlay(tree, over);
                    }
                }
                // What `from:` names is relative to the lab file, not to an overlay.
                reader.store = Store::Folder(folder(path));
                (reader, tree)
            }
        }
    }

    /// Reads one text that is no file: what it includes or names is not there.
    pub(super) fn of_text(
        name: &str,
        text: &str,
        diagnostics: &'d mut Vec<Diagnostic>,
    ) -> (Self, Option<Tree>) {
        let mut reader = Self {
            store: Store::Embedded(&[]),
            prefix: String::new(),
            sources: BTreeMap::new(),
            read: (0, 0),
            diagnostics,
        };
        let tree = reader.parsed(name, name, text.to_owned(), &mut vec![name.to_owned()]);
        (reader, tree)
    }

    /// The texts that were read, and what was found on the way.
    pub(super) fn close(self) -> (BTreeMap<String, String>, Vec<Diagnostic>) {
        (self.sources, std::mem::take(self.diagnostics))
    }

    /// A file that was named on the command line.
    fn root(&mut self, path: &Path) -> Option<Tree> {
        self.store = Store::Folder(folder(path));
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            let place = nowhere(&path.display().to_string());
            let message = format!("`{}` names no file.", path.display());
            let problem = Diagnostic::error("lab::no-file", message, &place, "this path");
            self.diagnostics
                .push(problem.help("name a lab file, like `lab.yaml`"));
            return None;
        };
        let shown = path
            .strip_prefix("./")
            .unwrap_or(path)
            .display()
            .to_string();
        self.prefix = shown.strip_suffix(name).unwrap_or("").to_owned();
        match self.text(name) {
            Ok(text) => self.parsed(&shown, name, text, &mut vec![name.to_owned()]),
            Err(reason) => {
                let problem = Diagnostic::error(
                    "lab::no-file",
                    format!("The lab file `{shown}` can't be read: {reason}."),
                    &nowhere(&shown),
                    "this file",
                );
                self.diagnostics
                    .push(problem.help("name a file that is there, or run `lab init` to make one"));
                None
            }
        }
    }

    /// A file below the root's folder with all it includes.
    fn tree(
        &mut self,
        name: &str,
        from: Option<&Spanned<String>>,
        open: &mut Vec<String>,
    ) -> Option<Tree> {
        let text = match self.text(name) {
            Ok(text) => text,
            Err(reason) => {
                let place = from.map_or_else(|| nowhere(name), |from| from.place.clone());
                let message = format!("The file `{name}` can't be read: {reason}.");
                self.diagnostics.push(
                    Diagnostic::error("lab::no-file", message, &place, "not readable")
                        .help("paths are relative to the folder of the file that names them"),
                );
                return None;
            }
        };
        open.push(name.to_owned());
        let tree = self.parsed(&format!("{}{name}", self.prefix), name, text, open);
        open.pop();
        tree
    }

    fn parsed(
        &mut self,
        shown: &str,
        name: &str,
        text: String,
        open: &mut Vec<String>,
    ) -> Option<Tree> {
        let tree = yaml::parse(shown, &text, self.diagnostics);
        self.read.0 += text.len();
        self.sources.insert(shown.to_owned(), text);
        let mut tree = tree?;
        if !matches!(tree.value, Value::Map(_)) {
            let map = tree.described();
            self.diagnostics.push(
                Diagnostic::error(
                    "lab::wrong-type",
                    format!(
                        "A lab file is a map of keys like `segments` and `nodes`; this is {map}."
                    ),
                    &tree.place,
                    "not a lab file",
                )
                .help("start with `lab: NAME`"),
            );
            return None;
        }
        for include in self.includes(&tree) {
            let Some(path) = self.below(&include, name) else {
                continue;
            };
            if open.contains(&path) {
                self.diagnostics.push(
                    Diagnostic::error(
                        "lab::include-circle",
                        format!("`{name}` includes `{path}`, which is being included already."),
                        &include.place,
                        "closes a circle",
                    )
                    .help("remove one of the includes"),
                );
                continue;
            }
            if self.sources.contains_key(&format!("{}{path}", self.prefix)) {
                self.diagnostics.push(
                    Diagnostic::error(
                        "lab::included-twice",
                        format!("`{path}` is included twice."),
                        &include.place,
                        "again here",
                    )
                    .help("remove one of the includes"),
                );
                continue;
            }
            if self.sources.len() >= MAX_FILES || self.read.0 > MAX_TOTAL {
                self.diagnostics.push(
                    Diagnostic::error(
                        "lab::too-large",
                        format!(
                            "A lab has at most {MAX_FILES} files and {} MiB; `{path}` is one too many.",
                            MAX_TOTAL >> 20
                        ),
                        &include.place,
                        "not read any more",
                    )
                    .help("join what belongs together, and put large contents in files that nodes take with `from:`"),
                );
                break;
            }
            if let Some(mut included) = self.tree(&path, Some(&include), open) {
                if let Value::Map(entries) = &mut included.value {
                    entries.retain(|(key, _)| key.value != "include");
                }
                merge::include(&mut tree, included, self.diagnostics);
            }
        }
        Some(tree)
    }

    fn includes(&mut self, tree: &Tree) -> Vec<Spanned<String>> {
        let Some(include) = tree.get("include") else {
            return Vec::new();
        };
        // The whole file is decoded later, and what is wrong here is reported then.
        let mut later = Vec::new();
        let key = (
            Spanned {
                value: "include".into(),
                place: include.place.clone(),
            },
            include.clone(),
        );
        let map = Tree {
            place: include.place.clone(),
            value: Value::Map(vec![key]),
        };
        let Some(mut fields) = Fields::open(&map, "a lab file", &mut later) else {
            return Vec::new();
        };
        fields
            .take::<Many<Spanned<String>>>("include", &mut later)
            .map(|many| many.0)
            .unwrap_or_default()
    }

    /// A path relative to a file, made relative to the root's folder; one that leaves it is
    /// refused.
    fn below(&mut self, written: &Spanned<String>, from: &str) -> Option<String> {
        let start = Path::new(from).parent().unwrap_or(Path::new(""));
        let mut path = PathBuf::new();
        let mut inside = !written.is_empty() && !written.contains('\0');
        for part in start.join(written.as_str()).components() {
            match part {
                Component::Normal(part) => path.push(part),
                Component::CurDir => {}
                Component::ParentDir => inside &= path.pop(),
                Component::RootDir | Component::Prefix(_) => inside = false,
            }
        }
        // A symbolic link may lead out as well.
        if let (true, Store::Folder(folder)) = (inside, &self.store)
            && let (Ok(folder), Ok(real)) =
                (folder.canonicalize(), folder.join(&path).canonicalize())
        {
            inside = real.starts_with(folder);
        }
        match path.to_str() {
            Some(path) if inside && !path.is_empty() => Some(path.to_owned()),
            _ => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "lab::outside-folder",
                        format!(
                            "`{}` is outside the lab file's folder.",
                            written.escape_debug()
                        ),
                        &written.place,
                        "not below the lab file",
                    )
                    .help(
                        "put the file beside the lab file, so that the lab can be handed on whole",
                    ),
                );
                None
            }
        }
    }

    fn text(&self, name: &str) -> Result<String, String> {
        match &self.store {
            Store::Embedded(files) => files
                .iter()
                .find(|(file, _)| *file == name)
                .map(|(_, text)| (*text).to_owned())
                .ok_or_else(|| "there is no such file".to_owned()),
            Store::Folder(folder) => {
                let path = folder.join(name);
                let bytes = read_bounded(&path, yaml::MAX_BYTES as u64)?;
                String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
            }
        }
    }

    /// The content of a file that `from:` names.
    pub(super) fn content(&mut self, written: &Spanned<String>) -> Option<Vec<u8>> {
        let path = self.below(written, "")?;
        let content = match &self.store {
            Store::Embedded(_) => self.text(&path).map(String::into_bytes),
            Store::Folder(folder) => read_bounded(&folder.join(&path), MAX_CONTENT),
        };
        let content = content.and_then(|content| {
            self.read.1 += content.len();
            match self.read.1 > MAX_TOTAL {
                true => Err(format!(
                    "with it the nodes' files have more than {} MiB",
                    MAX_TOTAL >> 20
                )),
                false => Ok(content),
            }
        });
        match content {
            Ok(content) => Some(content),
            Err(reason) => {
                self.diagnostics.push(
                    Diagnostic::error(
                        "lab::no-file",
                        format!("The file `{path}` can't be read: {reason}."),
                        &written.place,
                        "not readable",
                    )
                    .help("paths are relative to the lab file's folder"),
                );
                None
            }
        }
    }
}

fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn nowhere(file: &str) -> Place {
    Place {
        file: file.into(),
        ..Place::default()
    }
}

/// Reads a regular file of at most that many bytes; a pipe or a device is not waited for.
fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let reason = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "you may not read it".to_owned(),
        _ => error.to_string(),
    };
    // Opening a pipe would wait for its writer, so it is opened without waiting and looked at
    // through the descriptor: nothing can take its place in between.
    let file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY)
        .open(path)
        .map_err(reason)?;
    let kind = file.metadata().map_err(reason)?;
    if kind.is_dir() {
        return Err("it is a folder".into());
    }
    if !kind.is_file() {
        return Err("it is no regular file".into());
    }
    let mut bytes = Vec::new();
    file.take(most + 1)
        .read_to_end(&mut bytes)
        .map_err(reason)?;
    match bytes.len() as u64 > most {
        true => Err(format!("it has more than {} MiB", most >> 20)),
        false => Ok(bytes),
    }
}
