//! Which scenario files are meant, and which lab each is for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lab_core::check::Source;
use lab_core::scenario::{Text, find};

use crate::embedded::{self, Embedded};
use crate::output::Failure;

/// The scenario files of one lab.
#[derive(Debug)]
pub struct Set {
    /// The lab.
    pub source: Source,
    /// What `lab up` is told to bring it up.
    pub up: String,
    /// Its scenario files.
    pub texts: Vec<Text>,
}

/// The files that paths mean: files, folders, names of built-in labs. Without any, those of
/// `./lab.yaml`, else of the built-in contoso. `lab` is the lab file where it is none above them.
///
/// # Errors
/// There is no such file, none is found, or no lab is above one.
pub fn sets(paths: &[String], lab: Option<&Path>) -> Result<Vec<Set>, Failure> {
    if paths.is_empty() {
        return match (lab, Path::new("lab.yaml").exists()) {
            (None, false) => Ok(embedded::find("contoso")
                .map(built_in)
                .into_iter()
                .collect()),
            (lab, _) => {
                let lab = lab.unwrap_or(Path::new("lab.yaml"));
                let folder = lab.parent().map(Path::to_owned).unwrap_or_default();
                let below = folder.join("scenarios");
                let here = if folder.as_os_str().is_empty() {
                    PathBuf::from(".")
                } else {
                    folder
                };
                of_files(&[if below.is_dir() { below } else { here }], Some(lab))
            }
        };
    }
    let mut sets = Vec::new();
    let mut files = Vec::new();
    for path in paths {
        match embedded::find(path).filter(|_| !Path::new(path).exists()) {
            Some(lab) => sets.push(built_in(lab)),
            None => files.push(PathBuf::from(path)),
        }
    }
    if !files.is_empty() {
        sets.extend(of_files(&files, lab)?);
    }
    Ok(sets)
}

/// The scenarios of a lab that is part of the program.
fn built_in(lab: &'static Embedded) -> Set {
    let texts = lab.scenarios.iter().map(|(file, text)| Text {
        id: file.trim_end_matches(".yaml").to_owned(),
        file: format!("{}/{file}", lab.name),
        text: (*text).to_owned(),
    });
    Set {
        source: lab.source(),
        up: lab.name.to_owned(),
        texts: texts.collect(),
    }
}

fn of_files(paths: &[PathBuf], given: Option<&Path>) -> Result<Vec<Set>, Failure> {
    let mut by_lab: BTreeMap<PathBuf, Vec<Text>> = BTreeMap::new();
    for path in paths {
        for mut text in find(path)? {
            let file = Path::new(&text.file);
            let lab = match given {
                Some(lab) => lab.to_owned(),
                None => lab_above(file).ok_or_else(|| no_lab(&text.file))?,
            };
            text.id = id(file, &lab);
            text.file = text
                .file
                .strip_prefix("./")
                .unwrap_or(&text.file)
                .to_owned();
            let texts = by_lab.entry(lab).or_default();
            if !texts.iter().any(|known| known.file == text.file) {
                texts.push(text);
            }
        }
    }
    if by_lab.is_empty() {
        let names: Vec<String> = paths
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        return Err(Failure::usage(
            format!("there is no scenario in {}", names.join(", ")),
            "scenarios are `*.yaml` files in folders below their lab's; `lab schema --scenario` says \
             what stands in one",
        ));
    }
    Ok(by_lab
        .into_iter()
        .map(|(lab, texts)| Set {
            up: lab.display().to_string(),
            source: Source::File {
                path: lab,
                overlays: Vec::new(),
            },
            texts,
        })
        .collect())
}

/// The nearest `lab.yaml` in the file's folder or above.
fn lab_above(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    let start = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    for folder in start.ancestors() {
        let lab = folder.join("lab.yaml");
        if lab.exists() {
            return Some(lab);
        }
    }
    // A relative path says nothing of what is above the folder it is relative to.
    let absolute = std::path::absolute(start).ok()?;
    absolute
        .ancestors()
        .map(|folder| folder.join("lab.yaml"))
        .find(|lab| lab.exists())
}

/// A file is called by its path below the lab's folder, without `scenarios/` and its ending.
fn id(file: &Path, lab: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (file, lab) = (absolute(file), absolute(lab));
    let below = lab
        .parent()
        .and_then(|folder| file.strip_prefix(folder).ok());
    let below = match below {
        Some(below) => below.strip_prefix("scenarios").unwrap_or(below),
        None => Path::new(file.file_name().unwrap_or_default()),
    };
    below.with_extension("").display().to_string()
}

fn no_lab(file: &str) -> Failure {
    Failure::usage(
        format!("no `lab.yaml` is in the folder of {file}, or above"),
        "say which lab it is for: `lab test --file LAB.yaml PATH`",
    )
}
