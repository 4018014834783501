//! Limits of a node as a whole, where the host delegated a cgroup to the lab.

use std::io;
use std::os::fd::OwnedFd;

use crate::check::Limits;
use crate::kernel::cgroup::Cgroup;
use crate::kernel::identity::Identity;

/// Where the lab's own processes stay: a cgroup with controllers for others has no process itself.
const ENGINE: &str = "tierlab";

/// In the launcher: the delegated cgroup, ready for the keeper. None where there is none, or where
/// other processes live in it or its controllers are not at hand; then each process has its limits
/// alone.
pub(super) fn delegated(identity: &Identity) -> Option<OwnedFd> {
    let cgroup = Cgroup::delegated().ok()??;
    let prepare = || -> io::Result<()> {
        cgroup.child(ENGINE)?.write("cgroup.procs", "0")?;
        cgroup.write("cgroup.subtree_control", "+memory +pids")?;
        if nix::unistd::Uid::effective().as_raw() != identity.root_user() {
            cgroup.give_to(identity.root_user())?;
        }
        Ok(())
    };
    prepare().ok()?;
    Some(cgroup.into_fd())
}

/// In the keeper: the cgroups of nodes.
pub(super) struct NodeGroups {
    lab: String,
    cgroup: Option<Cgroup>,
}

impl NodeGroups {
    pub fn new(lab: &str, cgroup: Option<OwnedFd>) -> Self {
        Self {
            lab: lab.to_owned(),
            cgroup: cgroup.map(Cgroup::from_fd),
        }
    }

    fn name(&self, node: &str) -> String {
        format!("{}.{node}", self.lab)
    }

    /// The door of a node's cgroup, if it has limits that a cgroup holds.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn door(&self, node: &str, limits: &Limits) -> io::Result<Option<OwnedFd>> {
        let Some(cgroup) = &self.cgroup else {
            return Ok(None);
        };
        if limits.memory.is_none() && limits.processes.is_none() {
            return Ok(None);
        }
        let group = cgroup.child(&self.name(node))?;
        let most = |limit: Option<u64>| limit.map_or("max".to_owned(), |limit| limit.to_string());
        group.write("memory.max", &most(limits.memory))?;
        group.write("pids.max", &most(limits.processes))?;
        group.door().map(Some)
    }

    /// Removes a dead node's cgroup. While its last process is still ending the kernel refuses; then
    /// it goes with the lab's.
    pub fn forget(&self, node: &str) {
        if let Some(cgroup) = &self.cgroup {
            let _ = cgroup.remove_child(&self.name(node));
        }
    }
}
