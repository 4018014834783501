//! Which lab file is meant, and what the check says of it.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use lab_core::check::{Checked, Lab, Source, load, needs, render};
use lab_core::kernel::facility::{State, survey_of};
use lab_core::plan::{Plan, plan};
use lab_core::run::control::Timing;
use lab_nodes::CATALOGUE;

use crate::embedded;
use crate::output::{Failure, Screen};

/// Which lab file is meant.
#[derive(Debug, Args)]
pub struct LabFile {
    /// Lab file, its folder, or the name of a built-in lab [default: ./lab.yaml, else contoso]
    #[arg(value_name = "FILE")]
    pub file: Option<String>,
    /// A file laid over the lab file: it wins key by key, null removes; may be repeated
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub overlay: Vec<PathBuf>,
}

impl LabFile {
    /// Finds it.
    ///
    /// # Errors
    /// There is no such file and no such built-in lab.
    pub fn find(&self) -> Result<Source, Failure> {
        let source = resolve(self.file.as_deref(), Path::new("."))?;
        if self.overlay.is_empty() {
            return Ok(source);
        }
        match source {
            Source::File { path, .. } => Ok(Source::File {
                path,
                overlays: self.overlay.clone(),
            }),
            Source::Embedded { name, .. } => Err(Failure::usage(
                format!("the built-in lab {name} takes no overlay"),
                format!(
                    "`lab init DIR --from {name}` writes its files; lay the overlay over those"
                ),
            )),
        }
    }

    /// Finds and checks it, for this host, too. Must be called while the process has one thread.
    ///
    /// # Errors
    /// It can't be found.
    pub fn check(&self) -> Result<Verdict, Failure> {
        let mut checked = load(&self.find()?, CATALOGUE);
        let started = Instant::now();
        let code = if checked.lab.is_none() {
            2
        } else if host_can(&mut checked) {
            0
        } else {
            3
        };
        let timings = vec![
            Timing::of("parse", checked.parsed),
            Timing::of("check", checked.checked),
            Timing::of("host", started.elapsed()),
        ];
        Ok(Verdict {
            checked,
            code,
            timings,
        })
    }

    /// Finds, checks and plans it for this host, and tells what each of that took; what is wrong with
    /// it goes to stderr. Must be called while the process has one thread.
    ///
    /// # Errors
    /// It can't be found, it is not in order, or this host can't build it.
    pub fn plan_to_build(&self, screen: &Screen) -> Result<(Plan, Vec<Timing>), Failure> {
        self.changed_to_build(screen, |lab| Ok(lab.clone()))
    }

    /// As [`Self::plan_to_build`], of the lab as `change` makes it, which is not checked again.
    ///
    /// # Errors
    /// As [`Self::plan_to_build`], and of `change`.
    pub fn changed_to_build(
        &self,
        screen: &Screen,
        change: impl FnOnce(&Lab) -> Result<Lab, Failure>,
    ) -> Result<(Plan, Vec<Timing>), Failure> {
        let mut verdict = self.check()?;
        let mut timings = std::mem::take(&mut verdict.timings);
        let lab = change(&verdict.accept(screen)?)?;
        let started = Instant::now();
        let plan = plan(&lab, CATALOGUE);
        timings.push(Timing::of("plan", started.elapsed()));
        Ok((plan, timings))
    }

    /// As [`Self::plan_to_build`], for whatever host.
    ///
    /// # Errors
    /// It can't be found, or it is not in order.
    pub fn plan(&self, screen: &Screen) -> Result<Plan, Failure> {
        Ok(self.lab_and_plan(screen)?.1)
    }

    /// The lab and its plan, for whatever host.
    ///
    /// # Errors
    /// As [`Self::plan`].
    pub fn lab_and_plan(&self, screen: &Screen) -> Result<(Lab, Plan), Failure> {
        let checked = load(&self.find()?, CATALOGUE);
        let code = if checked.has_errors() { 2 } else { 0 };
        let verdict = Verdict {
            checked,
            code,
            timings: Vec::new(),
        };
        let lab = verdict.accept(screen)?;
        let plan = plan(&lab, CATALOGUE);
        Ok((lab, plan))
    }
}

/// What the check found, and the exit code that it means: 0, 2 (the file) or 3 (the host).
pub struct Verdict {
    /// What it found.
    pub checked: Checked,
    /// The exit code.
    pub code: u8,
    /// What it took.
    timings: Vec<Timing>,
}

impl Verdict {
    /// The lab, if nothing is wrong with it; errors and warnings go to stderr.
    fn accept(self, screen: &Screen) -> Result<Lab, Failure> {
        if !self.checked.diagnostics.is_empty() {
            screen.note(render(&self.checked, screen.stderr().is_on()).trim_end());
        }
        match (self.checked.lab, self.code) {
            (Some(lab), 0) => Ok(lab),
            (_, code) => Err(Failure::Reported(code)),
        }
    }
}

/// Tries what the lab needs of this host; what the host refused is added to the diagnostics.
fn host_can(checked: &mut Checked) -> bool {
    let needs = checked.lab.as_ref().map(needs).unwrap_or_default();
    let missing = survey_of(|name| needs.iter().any(|need| need.facility == name))
        .into_iter()
        .filter_map(|facility| match facility.state {
            State::Works => None,
            State::Missing(refusal) => Some((facility.name, refusal)),
        });
    let unmet: Vec<_> = missing
        .filter_map(|(name, refusal)| {
            let need = needs.iter().find(|need| need.facility == name)?;
            Some(need.unmet(&refusal))
        })
        .collect();
    let can = unmet.is_empty();
    checked.diagnostics.extend(unmet);
    can
}

fn resolve(file: Option<&str>, folder: &Path) -> Result<Source, Failure> {
    let in_file = |path: PathBuf| Source::File {
        path,
        overlays: Vec::new(),
    };
    let Some(file) = file else {
        let here = folder.join("lab.yaml");
        return Ok(match embedded::find("contoso") {
            Some(contoso) if !here.exists() => contoso.source(),
            _ => in_file("lab.yaml".into()),
        });
    };
    if let Some(lab) = embedded::find(file) {
        return Ok(lab.source());
    }
    let path = folder.join(file);
    if path.is_dir() {
        return Ok(in_file(Path::new(file).join("lab.yaml")));
    }
    if path.exists() {
        return Ok(in_file(file.into()));
    }
    Err(Failure::usage(
        format!("there is no file `{file}`, and no built-in lab of that name"),
        format!(
            "built-in: {}; `lab init` writes a lab file to start from",
            embedded::names()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use lab_core::check::Source;

    use super::resolve;
    use crate::output::Failure;

    #[test]
    fn a_bare_word_is_a_built_in_lab() {
        let source = resolve(Some("router"), Path::new("/nonexistent"));
        assert!(matches!(
            source,
            Ok(Source::Embedded { name: "router", .. })
        ));
    }

    #[test]
    fn a_path_is_a_file_whatever_its_name() {
        let source = resolve(Some("src/main.rs"), Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(
            matches!(source, Ok(Source::File { path, .. }) if path == Path::new("src/main.rs"))
        );
    }

    #[test]
    fn a_folder_is_the_lab_file_in_it() {
        let source = resolve(Some("src"), Path::new(env!("CARGO_MANIFEST_DIR")));
        assert!(
            matches!(source, Ok(Source::File { path, .. }) if path == Path::new("src/lab.yaml"))
        );
    }

    #[test]
    fn without_a_file_it_is_contoso() {
        let source = resolve(None, Path::new("/nonexistent"));
        assert!(matches!(
            source,
            Ok(Source::Embedded {
                name: "contoso",
                ..
            })
        ));
    }

    #[test]
    fn what_is_neither_is_refused_with_the_names_there_are() {
        let Err(Failure::Refused(refusal)) = resolve(Some("ruter"), Path::new("/nonexistent"))
        else {
            panic!("`ruter` was found");
        };
        assert_eq!(refusal.code, 2);
        assert!(refusal.help.is_some_and(|help| help.contains("router")));
    }
}
