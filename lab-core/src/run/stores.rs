//! What services store. It lies on mounts of the lab's first process, one for each node that has
//! such a service: so it outlives the node, fills up for itself, and goes with the lab.

use std::io;
use std::path::{Path, PathBuf};

use nix::mount::MsFlags;

use super::root::{flags, step};
use super::template::STORES;
use crate::kernel::mount;

/// Where a node shows its store.
const IN_NODE: &str = "/srv";

/// The store of a node, as the first process and a node that is being born see it.
pub(super) fn of(node: &str) -> PathBuf {
    Path::new(STORES).join(node)
}

/// The folder of a service, as it sees it.
pub(super) fn of_service(process: &str) -> PathBuf {
    Path::new(IN_NODE).join(process)
}

/// In the first process: a store of so many bytes for a node that is about to be born, unless it has
/// one; then it gets that size. Of 0 bytes: none.
///
/// # Errors
/// A sentence with the step that was refused: one that holds more than it shall, too.
pub(super) fn prepare(node: &str, bytes: u64) -> io::Result<()> {
    let store = of(node);
    if bytes == 0 {
        forget(node);
        return Ok(());
    }
    let again = store.is_dir();
    let remount = if again {
        MsFlags::MS_REMOUNT
    } else {
        std::fs::create_dir(&store)?;
        MsFlags::empty()
    };
    let options = format!("mode=0755,size={bytes}");
    let mounted = mount::mount("tmpfs", &store, &options, flags() | remount);
    if mounted.is_err() && !again {
        let _ = std::fs::remove_dir(&store);
    }
    step(&format!("a store of {bytes} bytes"), mounted)
}

/// In the first process: lets go of what a node stored.
pub(super) fn forget(node: &str) {
    let store = of(node);
    if store.is_dir() {
        let gone = mount::let_go(&store).and_then(|()| std::fs::remove_dir(&store));
        if let Err(error) = gone {
            eprintln!("the store of {node} stays: {error}");
        }
    }
}
