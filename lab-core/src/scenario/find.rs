//! Scenario files below a folder.

use std::path::{Path, PathBuf};

use crate::run::control::Refusal;

/// A scenario file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// What its scenarios are called by.
    pub id: String,
    /// Its name in reports.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

/// Most files of one run.
const MOST: usize = 10_000;
/// Deepest folder below the one that was named.
const DEEPEST: usize = 16;

/// Reads the scenario files that a path means: a file, or all `*.yaml` below a folder but those of
/// a lab (what stands beside a `lab.yaml`).
///
/// # Errors
/// There is no such file, or it can't be read.
pub fn find(path: &Path) -> Result<Vec<Text>, Refusal> {
    let mut files = Vec::new();
    let folder = if path.is_dir() {
        walk(path, 0, &mut files)?;
        files.sort();
        path.to_owned()
    } else {
        files.push(path.to_owned());
        path.parent().map(Path::to_owned).unwrap_or_default()
    };
    files.iter().map(|file| read(file, &folder)).collect()
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Refusal> {
    let entries = std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))?;
    let is_lab = folder.join("lab.yaml").exists();
    for entry in entries.flatten() {
        let path = entry.path();
        let is_yaml = path.extension().is_some_and(|ending| ending == "yaml");
        if path.is_dir() && depth < DEEPEST {
            walk(&path, depth + 1, files)?;
        } else if is_yaml && !is_lab && files.len() < MOST {
            files.push(path);
        }
    }
    Ok(())
}

fn read(path: &Path, folder: &Path) -> Result<Text, Refusal> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    let below = path.strip_prefix(folder).unwrap_or(path);
    Ok(Text {
        id: below.with_extension("").display().to_string(),
        file: path.display().to_string(),
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Refusal {
    Refusal {
        message: format!("can't read {}: {error}", path.display()),
        help: Some("name a scenario file, or a folder with scenario files".into()),
        code: 2,
    }
}
