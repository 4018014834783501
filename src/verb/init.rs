//! `lab init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use crate::embedded;
use crate::output::{Failure, Screen};

/// The lab file that `lab init` writes.
const STARTER: &str = include_str!("starter.yaml");

/// Write a lab file to start from
///
/// A small commented lab, or with --from the files of a built-in one. Nothing that is there is
/// overwritten.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab init                          ./lab.yaml
  lab init shop                     shop/lab.yaml
  lab init my-contoso --from contoso")]
pub struct Init {
    /// The folder; made if it is not there
    #[arg(value_name = "DIR", default_value = ".", value_hint = clap::ValueHint::DirPath)]
    folder: PathBuf,
    /// A built-in lab
    #[arg(long, value_name = "LAB")]
    from: Option<String>,
}

impl Init {
    /// Does it.
    ///
    /// # Errors
    /// There is no such built-in lab, a file is there already, or it can't be written.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let files: &[(&str, &str)] = match &self.from {
            None => &[("lab.yaml", STARTER)],
            Some(name) => {
                let lab = embedded::find(name).ok_or_else(|| {
                    Failure::usage(
                        format!("there is no built-in lab `{name}`"),
                        embedded::described().trim_end(),
                    )
                })?;
                lab.files
            }
        };
        for path in write(&self.folder, files)? {
            screen.note(&format!("wrote {}", path.display()));
        }
        let hint = if self.folder == Path::new(".") {
            "`lab up` brings it up".to_owned()
        } else {
            format!(
                "`lab up {}` brings it up",
                self.folder.join("lab.yaml").display()
            )
        };
        screen.note(&hint);
        Ok(ExitCode::SUCCESS)
    }
}

/// Writes the files, or none of them if one is there.
fn write(folder: &Path, files: &[(&str, &str)]) -> Result<Vec<PathBuf>, Failure> {
    let paths: Vec<PathBuf> = files
        .iter()
        .map(|(name, _)| {
            if folder == Path::new(".") {
                name.into()
            } else {
                folder.join(name)
            }
        })
        .collect();
    let there = |path: &Path| {
        Failure::usage(
            format!("{} is there already", path.display()),
            "name another folder: `lab init DIR`",
        )
    };
    if let Some(path) = paths.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(there(path));
    }
    for (path, (_, content)) in paths.iter().zip(files) {
        let refuse = |error: std::io::Error| match error.kind() {
            ErrorKind::AlreadyExists => there(path),
            _ => Failure::usage(
                format!("can't write {}: {error}", path.display()),
                "name a folder that you may write to: `lab init DIR`",
            ),
        };
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            std::fs::create_dir_all(parent).map_err(refuse)?;
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(refuse)?;
        file.write_all(content.as_bytes()).map_err(refuse)?;
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use lab_core::check::{Source, load, render};

    use super::{STARTER, write};

    #[test]
    fn the_starter_is_in_order() {
        let source = Source::Embedded {
            name: "starter",
            files: &[("lab.yaml", STARTER)],
        };
        let checked = load(&source, lab_nodes::CATALOGUE);
        assert!(
            checked.diagnostics.is_empty(),
            "{}",
            render(&checked, false)
        );
        assert!(checked.lab.is_some());
    }

    #[test]
    fn nothing_is_overwritten() {
        let folder = std::env::temp_dir().join(format!("lab-init-{}", std::process::id()));
        assert!(write(&folder, &[("lab.yaml", "first")]).is_ok());
        assert!(write(&folder, &[("acl.yaml", "more"), ("lab.yaml", "second")]).is_err());
        let kept = std::fs::read_to_string(folder.join("lab.yaml")).unwrap_or_default();
        let half = folder.join("acl.yaml").exists();
        let _ = std::fs::remove_dir_all(&folder);
        assert_eq!(kept, "first");
        assert!(!half, "a part of the files was written");
    }
}
