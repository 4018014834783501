//! `lab cp`.
//!
//! A file goes through `cat`, a folder through `tar`, run in the node with a descriptor of ours:
//! no bytes pass this process. What comes out of a node is unpacked by the host's tar, which keeps
//! to the destination folder.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};

use clap::Args;
use lab_core::run::client::RunningLab;

use super::exec::{no_descriptors, run_with};
use crate::output::Failure;
use crate::running::Which;

/// $1 destination, $2 name of the source, $3 permission bits.
const PUT_FILE: &str = r#"[ -d "$1" ] && set -- "$1/$2" "$2" "$3"; cat > "$1" && chmod "$3" "$1""#;
/// $1 destination. Into a folder that is there; else the source's content becomes the folder.
const PUT_FOLDER: &str = r#"if [ -d "$1" ]; then exec tar -xf - --no-same-owner -C "$1"; fi
mkdir -p -- "$1" && exec tar -xf - --no-same-owner --strip-components=1 -C "$1""#;
/// $1 folder.
const GET_FOLDER: &str =
    r#"cd -P -- "$1" && set -- "$(basename -- "$PWD")" && cd .. && exec tar -cf - -- "$1""#;

/// Copy files and folders into a node or out of it
///
/// As with `cp -r`: into the destination if that is a folder, else under its name.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab cp site/ web1:/var/tmp/www
  lab cp web1:/var/tmp/capture.pcap .
  lab cp web1:/etc/ ./etc-of-web1")]
pub struct Cp {
    /// A path here, or NODE:/path
    #[arg(value_name = "SRC", value_hint = clap::ValueHint::AnyPath)]
    source: String,
    /// A path here, or NODE:/path
    #[arg(value_name = "DST", value_hint = clap::ValueHint::AnyPath)]
    destination: String,
}

/// One side of a copy.
#[derive(Debug, PartialEq, Eq)]
enum Side<'a> {
    Here(&'a Path),
    Node { node: &'a str, path: &'a str },
}

impl<'a> Side<'a> {
    /// `NODE:/path` is in a node, anything else is here (`./a:/b`, too).
    fn parse(text: &'a str) -> Self {
        match text.split_once(':') {
            Some((node, path))
                if !node.is_empty() && !node.contains('/') && path.starts_with('/') =>
            {
                Side::Node { node, path }
            }
            _ => Side::Here(Path::new(text)),
        }
    }
}

impl Cp {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node or file, or it can't be written.
    pub fn run(self, which: &Which) -> Result<ExitCode, Failure> {
        match (Side::parse(&self.source), Side::parse(&self.destination)) {
            (Side::Here(source), Side::Node { node, path }) => {
                put(&which.find()?, source, node, path)
            }
            (Side::Node { node, path }, Side::Here(destination)) => {
                get(&which.find()?, node, path, destination)
            }
            _ => Err(Failure::usage(
                "one side must be in a node, the other one here",
                "write the node's side as NODE:/path, with a path from the root",
            )),
        }
        .map(|()| ExitCode::SUCCESS)
    }
}

fn put(lab: &RunningLab, source: &Path, node: &str, path: &str) -> Result<(), Failure> {
    let data = std::fs::metadata(source).map_err(|error| unreadable(source, &error))?;
    let name = name_of(source)?;
    if data.is_dir() {
        let mut tar = tar(
            &["-cf", "-", "-C"],
            &[parent(source).as_os_str(), "--".as_ref(), name.as_ref()],
        )
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| no_tar(&error))?;
        let Some(archive) = tar.stdout.take() else {
            return Err(no_tar(&io::Error::other("it has no output")));
        };
        let status = run_with(
            lab,
            node,
            &["sh", "-c", PUT_FOLDER, "sh", path],
            [archive.into(), here()?, errors()?],
        )?;
        finish(&mut tar, status, || {
            format!("copying {} to {node}:{path}", source.display())
        })
    } else {
        let file = File::open(source).map_err(|error| unreadable(source, &error))?;
        let mode = format!("{:o}", data.permissions().mode() & 0o777);
        let argv = ["sh", "-c", PUT_FILE, "sh", path, &name, &mode];
        let status = run_with(lab, node, &argv, [file.into(), here()?, errors()?])?;
        well(status, || {
            format!("copying {} to {node}:{path}", source.display())
        })
    }
}

fn get(lab: &RunningLab, node: &str, path: &str, destination: &Path) -> Result<(), Failure> {
    let what = || format!("copying {node}:{path} to {}", destination.display());
    let name = path
        .trim_end_matches('/')
        .rsplit('/')
        .next()
        .filter(|name| !name.is_empty());
    let Some(name) = name else {
        return Err(Failure::usage(
            "a node's whole root can't be copied",
            "name a folder below it",
        ));
    };
    let is_folder = run_with(
        lab,
        node,
        &["test", "-d", path],
        [nothing()?, here()?, errors()?],
    )? == 0;
    if is_folder {
        let into = destination.is_dir();
        if !into {
            std::fs::create_dir_all(destination)
                .map_err(|error| unwritable(destination, &error))?;
        }
        let strip: &[&str] = if into { &[] } else { &["--strip-components=1"] };
        let mut tar = tar(&["-xf", "-", "--no-same-owner"], &[])
            .args(strip)
            .arg("-C")
            .arg(destination)
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| no_tar(&error))?;
        let Some(archive) = tar.stdin.take() else {
            return Err(no_tar(&io::Error::other("it has no input")));
        };
        let status = run_with(
            lab,
            node,
            &["sh", "-c", GET_FOLDER, "sh", path],
            [nothing()?, archive.into(), errors()?],
        )?;
        return finish(&mut tar, status, what);
    }
    // Looked at first: a file that is here is not emptied for one that is not there.
    if run_with(
        lab,
        node,
        &["test", "-r", path],
        [nothing()?, here()?, errors()?],
    )? != 0
    {
        return Err(Failure::usage(
            format!("there is no file {path} on {node}"),
            format!(
                "`lab exec {node} -- ls -l {}` shows what is there",
                parent(Path::new(path)).display()
            ),
        ));
    }
    let target: PathBuf = if destination.is_dir() {
        destination.join(name)
    } else {
        destination.to_owned()
    };
    let file = File::create(&target).map_err(|error| unwritable(&target, &error))?;
    let status = run_with(
        lab,
        node,
        &["cat", "--", path],
        [nothing()?, file.into(), errors()?],
    )?;
    well(status, what)
}

fn tar(options: &[&str], more: &[&std::ffi::OsStr]) -> Command {
    let mut command = Command::new("tar");
    command.args(options).args(more);
    command
}

fn finish(tar: &mut Child, status: i32, what: impl Fn() -> String) -> Result<(), Failure> {
    let ended = tar.wait().map_err(|error| no_tar(&error))?;
    well(status, &what)?;
    well(ended.code().unwrap_or(1), what)
}

fn well(status: i32, what: impl Fn() -> String) -> Result<(), Failure> {
    if status == 0 {
        return Ok(());
    }
    Err(Failure::usage(
        format!("{} failed with status {status}", what()),
        "what is said above tells why; a node can write below /tmp, /run, /var/tmp, /etc and its HOME",
    ))
}

/// Name of a file or folder, also of `.` and `..`.
fn name_of(path: &Path) -> Result<String, Failure> {
    let whole = if path.file_name().is_some() {
        path.to_owned()
    } else {
        canonical(path)?
    };
    match whole.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(name.to_owned()),
        None => Err(Failure::usage(
            format!("{} has no name that a node could use", path.display()),
            "name a file or folder below it, in UTF-8",
        )),
    }
}

fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize()
        .map_err(|error| unreadable(path, &error))
}

fn parent(path: &Path) -> PathBuf {
    match (path.file_name(), path.parent()) {
        (Some(_), Some(parent)) if !parent.as_os_str().is_empty() => parent.to_owned(),
        (Some(_), _) => ".".into(),
        // `.` and `..` have no parent in their text.
        (None, _) => path.join(".."),
    }
}

/// Our stderr: what a node's program complains of.
fn errors() -> Result<OwnedFd, Failure> {
    std::io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| no_descriptors(&error))
}

fn here() -> Result<OwnedFd, Failure> {
    std::io::stdout()
        .as_fd()
        .try_clone_to_owned()
        .map_err(|error| no_descriptors(&error))
}

fn nothing() -> Result<OwnedFd, Failure> {
    File::open("/dev/null")
        .map(OwnedFd::from)
        .map_err(|error| no_descriptors(&error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!("can't read {}: {error}", path.display()),
        "a path in a node is written NODE:/path",
    )
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::usage(
        format!("can't write {}: {error}", path.display()),
        "name a place that you may write to",
    )
}

fn no_tar(error: &io::Error) -> Failure {
    Failure::host(
        format!("can't run tar: {error}"),
        Some("folders are copied by the host's tar: install it".into()),
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::{GET_FOLDER, PUT_FILE, PUT_FOLDER, Side, name_of, parent};

    #[test]
    fn a_node_is_told_from_a_path() {
        assert_eq!(
            Side::parse("web1:/srv"),
            Side::Node {
                node: "web1",
                path: "/srv"
            }
        );
        assert_eq!(
            Side::parse("./web1:/srv"),
            Side::Here(Path::new("./web1:/srv"))
        );
        assert_eq!(Side::parse("/tmp/a:b"), Side::Here(Path::new("/tmp/a:b")));
        assert_eq!(Side::parse("12:30.log"), Side::Here(Path::new("12:30.log")));
    }

    #[test]
    fn every_path_has_a_name_and_a_parent() {
        assert_eq!(name_of(Path::new("site/")).ok().as_deref(), Some("site"));
        assert_eq!(parent(Path::new("site/")), Path::new("."));
        assert_eq!(parent(Path::new("/a/b")), Path::new("/a"));
        assert!(name_of(Path::new("..")).is_ok_and(|name| !name.is_empty() && name != ".."));
    }

    /// The scripts run in nodes; here they run in a folder of the test.
    #[test]
    fn scripts_copy_as_cp_does() {
        let folder = std::env::temp_dir().join(format!("lab-cp-{}", std::process::id()));
        let run = |script: &str, arguments: &[&str], input: Stdio| {
            let child = Command::new("sh")
                .args(["-c", script, "sh"])
                .args(arguments)
                .current_dir(&folder)
                .stdin(input)
                .stdout(Stdio::piped())
                .spawn();
            child.expect("sh runs")
        };
        let copy_folder = |to: &str| {
            let mut get = run(GET_FOLDER, &["from/a b/"], Stdio::null());
            let archive = get.stdout.take().expect("piped");
            let status = run(PUT_FOLDER, &[to], archive.into())
                .wait()
                .expect("it ends");
            assert!(status.success() && get.wait().expect("it ends").success());
        };
        std::fs::create_dir_all(folder.join("from/a b/c")).expect("a folder");
        std::fs::write(folder.join("from/a b/c/file"), "text").expect("a file");
        copy_folder("new");
        copy_folder("new");
        let input = std::fs::File::open(folder.join("from/a b/c/file")).expect("it is there");
        let status = run(PUT_FILE, &["new", "one file", "640"], input.into())
            .wait()
            .expect("it ends");
        let read = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap_or_default();
        let found = [
            read("new/c/file"),
            read("new/a b/c/file"),
            read("new/one file"),
        ];
        let _ = std::fs::remove_dir_all(&folder);
        assert!(status.success());
        assert_eq!(found, ["text", "text", "text"]);
    }
}
