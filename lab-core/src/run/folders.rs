//! Where a lab's socket, lock and state are.

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use super::control::Refusal;

/// The folders of the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// Sockets and locks: gone with the host's next start.
    pub runtime: PathBuf,
    /// Certificate authorities, logs and last plans.
    pub state: PathBuf,
}

impl Folders {
    /// `$XDG_RUNTIME_DIR/tierlab` and `$XDG_STATE_HOME/tierlab`, with root's and everybody's
    /// places where these are not set (cron, CI, after logout).
    pub fn of_caller() -> Self {
        let uid = Uid::effective();
        let variable = |name: &str| {
            std::env::var_os(name)
                .map(PathBuf::from)
                .filter(|path| path.is_absolute())
        };
        let runtime = match variable("XDG_RUNTIME_DIR").filter(|path| owned_by(path, uid)) {
            Some(path) => path.join("tierlab"),
            None if uid.is_root() => "/run/tierlab".into(),
            None => format!("/tmp/tierlab-{uid}").into(),
        };
        let state = match (variable("XDG_STATE_HOME"), variable("HOME")) {
            (Some(path), _) => path.join("tierlab"),
            (None, _) if uid.is_root() => "/var/lib/tierlab".into(),
            (None, Some(home)) => home.join(".local/state/tierlab"),
            (None, None) => runtime.join("state"),
        };
        Self { runtime, state }
    }

    /// Makes the runtime folder, for its owner alone.
    ///
    /// # Errors
    /// It can't be made, or somebody else made it (in /tmp).
    pub fn make_runtime(&self) -> Result<(), Refusal> {
        let refuse = |error: &dyn std::fmt::Display, help: &str| Refusal {
            message: format!(
                "can't use {} for the lab's socket: {error}",
                self.runtime.display()
            ),
            help: Some(help.into()),
            code: 3,
        };
        make_private(&self.runtime)
            .map_err(|error| refuse(&error, "set XDG_RUNTIME_DIR to a folder of yours"))?;
        if !owned_by(&self.runtime, Uid::effective()) {
            return Err(refuse(
                &"it belongs to somebody else",
                "set XDG_RUNTIME_DIR to a folder of yours",
            ));
        }
        // `<lab>.sock` with the longest lab name must fit into sun_path.
        if self.runtime.as_os_str().len() + 1 + 32 + ".sock".len() >= 108 {
            return Err(refuse(
                &"its path is too long for a socket (108 bytes)",
                "set XDG_RUNTIME_DIR to a folder with a short path",
            ));
        }
        Ok(())
    }

    /// The control socket of a lab.
    pub fn socket(&self, lab: &str) -> PathBuf {
        self.runtime.join(format!("{lab}.sock"))
    }

    /// The lock that a lab holds as long as it lives; its text is the first process's id.
    pub fn lock(&self, lab: &str) -> PathBuf {
        self.runtime.join(format!("{lab}.lock"))
    }

    /// The state folder of a lab.
    pub fn lab_state(&self, lab: &str) -> PathBuf {
        self.state.join(lab)
    }
}

/// Makes a folder with its parents; the last one for its owner alone.
///
/// # Errors
/// What mkdir(2) says.
pub fn make_private(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
            let mode = std::fs::metadata(path)?.permissions().mode();
            if mode & 0o077 != 0 && owned_by(path, Uid::effective()) {
                std::fs::set_permissions(path, Permissions::from_mode(0o700))?;
            }
            Ok(())
        }
        result => result,
    }
}

fn owned_by(path: &Path, uid: Uid) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|data| data.is_dir() && data.uid() == uid.as_raw())
}
