//! What this host lets a lab do: each part is tried, in namespaces that end with the trial.

use std::io;
use std::path::Path;

use nix::libc;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Gid, Pid, Uid, setgid, setgroups, setuid};
use rtnetlink::packet_route::link::{InfoData, InfoKind, InfoVlan};
use serde::{Deserialize, Serialize};

use super::channel::Channel;
use super::heads::Heads;
use super::identity::Identity;
use super::interrupt::Held;
use super::netns::NetNs;
use super::network::Network;
use super::nft::watch::Decisions;
use super::process::{self, Fork};
use super::{mount, nft, tun};
use crate::plan::{Action, Chain, Hook, LinkPlan, Match, Rule, Ruleset, Target};

/// Something a lab may need of the kernel.
#[derive(Clone, Debug)]
pub struct Facility {
    /// Its name.
    pub name: &'static str,
    /// What for.
    pub needed_for: &'static str,
    /// Whether it works.
    pub state: State,
}

/// Whether a facility works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It was tried, and works.
    Works,
    /// It was refused; the reason.
    Missing(String),
}

/// Name, what it is needed for, and how it is tried.
type Trial = (&'static str, &'static str, fn() -> io::Result<()>);

const TRIALS: [Trial; 18] = [
    ("namespaces", "every lab", namespaces),
    (
        "read-only mounts",
        "every lab: nodes see the host's files",
        read_only_mounts,
    ),
    ("overlay", "every lab: a node's own /etc", overlay),
    ("proc", "every lab: a node's own processes", proc_of_its_own),
    ("bridge", "every lab: segments", bridge),
    ("veth", "every lab: links", veth),
    ("IPv6", "labs with IPv6 prefixes", ipv6),
    ("nftables", "ACLs", filter),
    (
        "conntrack",
        "ACLs: replies pass by connection state",
        conntrack,
    ),
    ("nat", "masquerade, port forwarding", nat),
    ("numgen", "layer-4 VIPs", numgen),
    ("nftrace", "lab trace: what rules decide", nftrace),
    (
        "packet sockets",
        "lab trace, lab capture: packets",
        packet_sockets,
    ),
    ("tbf", "links with a rate", rate),
    ("netem", "links with delay or loss", delay_and_loss),
    ("tun", "VPN and DirectAccess", tunnel),
    ("vlan", "programs that make VLANs", vlan),
    (
        "wireguard",
        "programs that use the kernel's WireGuard",
        wireguard,
    ),
];

/// Tries all. Must be called while the process has one thread: each trial is a child that goes
/// through the same doors as a lab, and takes what it made with it.
pub fn survey() -> Vec<Facility> {
    survey_of(|_| true)
}

/// As [`survey`], but tries only those whose name is wanted.
pub fn survey_of(wanted: impl Fn(&str) -> bool) -> Vec<Facility> {
    let identity = Identity::of_caller();
    TRIALS
        .iter()
        .filter(|(name, ..)| wanted(name))
        .map(|&(name, needed_for, trial)| Facility {
            name,
            needed_for,
            state: match attempt(&identity, trial) {
                Ok(()) => State::Works,
                Err(error) => State::Missing(error.to_string()),
            },
        })
        .collect()
}

/// What a trial tells its parent.
#[derive(Serialize, Deserialize)]
enum Told {
    /// It is in a new user namespace and waits for its ids.
    Entered,
    /// How it went.
    Done(Result<(), String>),
}

fn attempt(identity: &Identity, trial: fn() -> io::Result<()>) -> io::Result<()> {
    // Who is interrupted ends after the trial, not before what it made is gone.
    let _interrupts = Held::hold()?;
    let (ours, theirs) = Channel::pair()?;
    let child = match process::fork(CloneFlags::empty())? {
        Fork::Child => {
            drop(ours);
            let result = enter(&theirs).and_then(|()| trial());
            let told = Told::Done(result.map_err(|error| error.to_string()));
            let _ = theirs.send(&told, &[]);
            process::exit_now(0)
        }
        Fork::Parent(child) => child,
    };
    drop(theirs);
    let outcome = attend(&ours, identity, child);
    // The child ends when its parent's end of the channel is closed, if not before.
    drop(ours);
    waitpid(child, None)?;
    outcome
}

fn attend(channel: &Channel, identity: &Identity, child: Pid) -> io::Result<()> {
    loop {
        match channel.receive::<Told>()? {
            Some((Told::Entered, _)) => {
                identity.apply(child)?;
                channel.send(&(), &[])?;
            }
            Some((Told::Done(result), _)) => return result.map_err(io::Error::other),
            None => return Err(io::Error::other("the trial was killed")),
        }
    }
}

/// In the child: root of new user, mount and network namespaces.
fn enter(parent: &Channel) -> io::Result<()> {
    process::die_with_parent()?;
    step("a user namespace", unshare(CloneFlags::CLONE_NEWUSER))?;
    parent.send(&Told::Entered, &[])?;
    if parent.receive::<()>()?.is_none() {
        return Err(io::Error::other("the ids of the lab could not be mapped"));
    }
    // Without ids of other groups there is no changing them, and no need to.
    let _ = setgroups(&[]);
    step("to become root of the lab", setgid(Gid::from_raw(0)))?;
    step("to become root of the lab", setuid(Uid::from_raw(0)))?;
    let both = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET;
    step("mount and network namespaces", unshare(both))?;
    mount::make_private()
}

/// A refusal with what it was that was refused.
fn step<E: Into<io::Error>>(what: &str, result: Result<(), E>) -> io::Result<()> {
    result.map_err(|error| {
        let error = error.into();
        io::Error::new(error.kind(), format!("the kernel refused {what}: {error}"))
    })
}

fn namespaces() -> io::Result<()> {
    let others = CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC;
    step("process, host name and IPC namespaces", unshare(others))
}

/// A file system that is gone with the trial's mount namespace, in the place of /tmp.
fn scratch() -> io::Result<&'static Path> {
    let place = Path::new("/tmp");
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    step(
        "a tmpfs",
        mount::mount("tmpfs", place, "mode=0700,size=1m", flags),
    )?;
    Ok(place)
}

fn read_only_mounts() -> io::Result<()> {
    let place = scratch()?;
    let (from, to) = (place.join("from"), place.join("to"));
    std::fs::create_dir(&from)?;
    std::fs::create_dir(&to)?;
    step(
        "a copy of the host's tree",
        mount::bind_tree(Path::new("/"), &to),
    )?;
    step("to make it read-only", mount::make_read_only(&to))?;
    match std::fs::write(to.join("tmp/trial"), "") {
        Err(error) if error.raw_os_error() == Some(libc::EROFS) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => Err(io::Error::other(
            "what was made read-only can be written to",
        )),
    }
}

fn overlay() -> io::Result<()> {
    let place = scratch()?;
    for folder in ["lower", "upper", "work", "both"] {
        std::fs::create_dir(place.join(folder))?;
    }
    let options = "lowerdir=/tmp/lower,upperdir=/tmp/upper,workdir=/tmp/work,userxattr";
    let both = place.join("both");
    step(
        "an overlay",
        mount::mount("overlay", &both, options, MsFlags::empty()),
    )?;
    std::fs::write(both.join("trial"), "")
}

fn proc_of_its_own() -> io::Result<()> {
    step("a process namespace", unshare(CloneFlags::CLONE_NEWPID))?;
    let child = match process::fork(CloneFlags::empty())? {
        Fork::Child => {
            let place = Path::new("/proc");
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            let errno = match mount::mount("proc", place, "", flags) {
                Ok(()) => 0,
                Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
            };
            process::exit_now(errno)
        }
        Fork::Parent(child) => child,
    };
    match waitpid(child, None)? {
        nix::sys::wait::WaitStatus::Exited(_, 0) => Ok(()),
        nix::sys::wait::WaitStatus::Exited(_, errno) => step(
            "a /proc of its own (a container engine that masks parts of /proc has this effect)",
            Err(io::Error::from_raw_os_error(errno)),
        ),
        _ => Err(io::Error::other("the trial was killed")),
    }
}

/// Does network work to its end.
fn work<T>(task: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    tokio::task::LocalSet::new().block_on(&runtime, task)
}

/// Two nodes' namespaces, the first one the fabric, and a link between them.
async fn linked(shape: impl FnOnce(&mut LinkPlan)) -> io::Result<(Network, Network)> {
    let fabric = Network::open(NetNs::current()?)?;
    fabric.add_bridge("trial", 1500).await?;
    let node = Network::open(NetNs::new()?)?;
    let mut link = LinkPlan {
        segment: "trial".into(),
        interface: "trial".into(),
        port: "port".into(),
        mac: "02:00:00:00:00:01".into(),
        addresses: Vec::new(),
        mtu: 1500,
        rate: None,
        delay: None,
        loss_ppm: None,
        up: true,
        neighbours: Vec::new(),
    };
    shape(&mut link);
    fabric
        .connect_node(&node, &[("trial".into(), &link)], &[])
        .await?;
    Ok((fabric, node))
}

fn bridge() -> io::Result<()> {
    work(async {
        Network::open(NetNs::current()?)?
            .add_bridge("trial", 1500)
            .await
    })
}

fn veth() -> io::Result<()> {
    work(linked(|_| {})).map(drop)
}

fn ipv6() -> io::Result<()> {
    let address = std::net::IpAddr::from([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let net = ipnet::IpNet::new(address, 64).map_err(io::Error::other)?;
    work(linked(|link| link.addresses.push(net))).map(drop)
}

fn rate() -> io::Result<()> {
    work(linked(|link| link.rate = Some(1_000_000))).map(drop)
}

fn delay_and_loss() -> io::Result<()> {
    let delay = Some(std::time::Duration::from_millis(1));
    work(linked(|link| {
        (link.delay, link.loss_ppm) = (delay, Some(1))
    }))
    .map(drop)
}

fn rule(matches: Vec<Match>, mark: Option<u32>, action: Action) -> Rule {
    Rule {
        id: "trial".into(),
        place: None,
        matches,
        mark,
        action,
    }
}

fn apply(hook: Hook, rule: Rule) -> io::Result<()> {
    let chain = Chain {
        name: "trial".into(),
        hook: Some(hook),
        rules: vec![rule],
    };
    let rules = Ruleset {
        chains: vec![chain],
    };
    work(async { nft::apply(&NetNs::current()?, &rules).await })
}

fn filter() -> io::Result<()> {
    apply(Hook::Forward, rule(vec![Match::Icmp], None, Action::Drop))
}

fn conntrack() -> io::Result<()> {
    apply(
        Hook::Forward,
        rule(vec![Match::Established], Some(1), Action::Accept),
    )
}

fn nat() -> io::Result<()> {
    apply(
        Hook::Postrouting,
        rule(Vec::new(), None, Action::Masquerade),
    )
}

fn nftrace() -> io::Result<()> {
    let here = NetNs::current()?;
    Decisions::open(&here)?;
    work(nft::watch::begin(&here))
}

fn packet_sockets() -> io::Result<()> {
    Heads::open(&NetNs::current()?).map(drop)
}

fn numgen() -> io::Result<()> {
    let targets = [1, 2].map(|last| Target {
        address: [10, 0, 0, last].into(),
        port: None,
    });
    let spread = Action::Dnat {
        targets: targets.into(),
        random: false,
    };
    apply(Hook::Prerouting, rule(Vec::new(), None, spread))
}

fn tunnel() -> io::Result<()> {
    tun::open("trial").map(drop)
}

fn vlan() -> io::Result<()> {
    work(async {
        let (fabric, _node) = linked(|_| {}).await?;
        let data = InfoData::Vlan(vec![InfoVlan::Id(2)]);
        fabric
            .add_virtual("vlan", InfoKind::Vlan, Some(data), Some("port"))
            .await
    })
}

fn wireguard() -> io::Result<()> {
    work(async {
        Network::open(NetNs::current()?)?
            .add_virtual("wireguard", InfoKind::Wireguard, None, None)
            .await
    })
}
