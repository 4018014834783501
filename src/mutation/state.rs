//! What was found before, kept in a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lab_core::mutate::{Report, VERSION};

use crate::output::Failure;

/// Reports by lab, and the file they are kept in.
#[derive(Debug, Default)]
pub struct State {
    /// What was found.
    pub reports: BTreeMap<String, Report>,
    file: Option<PathBuf>,
}

impl State {
    /// Reads the file, if there is one already.
    ///
    /// # Errors
    /// It can't be read, or is none of these.
    pub fn open(file: Option<&Path>) -> Result<Self, Failure> {
        let Some(file) = file else {
            return Ok(Self::default());
        };
        let reports = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                return Err(Failure::host(
                    format!("can't read {}: {error}", file.display()),
                    None,
                ));
            }
            Ok(text) => serde_json::from_str(&text).map_err(|error| {
                Failure::usage(
                    format!("{} holds no results of mutations: {error}", file.display()),
                    "name another file",
                )
            })?,
        };
        Ok(Self {
            reports,
            file: Some(file.to_owned()),
        })
    }

    /// What was found of a lab; `digest` is what the lab and its scenarios are now.
    ///
    /// # Errors
    /// They were others then.
    pub fn report(&self, lab: &str, digest: &str) -> Result<Report, Failure> {
        let Some(known) = self.reports.get(lab) else {
            return Ok(Report {
                version: VERSION,
                lab: lab.to_owned(),
                digest: digest.to_owned(),
                ..Report::default()
            });
        };
        if known.digest == digest && known.version == VERSION {
            return Ok(known.clone());
        }
        let file = self.file.clone().unwrap_or_default();
        Err(Failure::usage(
            format!(
                "what {} holds was found of another version of {lab} or of its scenarios",
                file.display()
            ),
            "remove it, or name another file",
        ))
    }

    /// Keeps what was found so far; who reads it meanwhile finds what was there before, or this.
    ///
    /// # Errors
    /// It can't be written.
    pub fn keep(&mut self, report: &Report) -> Result<(), Failure> {
        self.reports.insert(report.lab.clone(), report.clone());
        let Some(file) = &self.file else {
            return Ok(());
        };
        let failed = |error: &dyn std::fmt::Display| {
            Failure::host(format!("can't write {}: {error}", file.display()), None)
        };
        let text = serde_json::to_string(&self.reports).map_err(|error| failed(&error))?;
        let mut beside = file.clone().into_os_string();
        beside.push(".new");
        std::fs::write(&beside, text)
            .and_then(|()| std::fs::rename(&beside, file))
            .map_err(|error| failed(&error))
    }
}
