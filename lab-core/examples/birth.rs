//! Nodes forked without exec, as the zygote does it, against nodes that execute the program anew:
//! the time until all have said that they live, and their memory.
//!
//! ```sh
//! cargo run --release -p lab-core --example birth -- fork 50
//! cargo run --release -p lab-core --example birth -- exec 50
//! ```
//! Prints microseconds and kB (proportional set size of all children together).

use std::error::Error;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Instant;

use lab_core::kernel::process::{self, Fork};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, pipe};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let how = arguments.next().ok_or("usage: birth fork|exec NODES")?;
    if how == "live" {
        return live();
    }
    let nodes: usize = arguments
        .next()
        .ok_or("usage: birth fork|exec NODES")?
        .parse()?;
    unshare(CloneFlags::CLONE_NEWUSER)?;
    let (cries, cry) = pipe()?;
    let (life, keep) = pipe()?;
    let started = Instant::now();
    let mut children = Vec::new();
    for _ in 0..nodes {
        let namespaces = CloneFlags::CLONE_NEWPID
            | CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC;
        match process::fork(namespaces)? {
            Fork::Parent(pid) => children.push(pid),
            Fork::Child => {
                process::redirect(&life, 0)?;
                process::redirect(&cry, 1)?;
                drop(keep);
                if how == "exec" {
                    let error = Command::new("/proc/self/exe").arg("live").exec();
                    eprintln!("error: can't execute the program anew: {error}");
                    process::exit_now(3);
                }
                let _ = live();
                process::exit_now(0);
            }
        }
    }
    drop((cry, life));
    let mut heard = vec![0; nodes];
    let mut cries = File::from(cries);
    cries.read_exact(&mut heard)?;
    let took = started.elapsed().as_micros();
    let memory: u64 = children
        .iter()
        .map(|child| memory_of(*child))
        .sum::<Result<_, _>>()?;
    println!("{took} {memory}");
    drop(keep);
    for child in children {
        waitpid(child, None)?;
    }
    Ok(())
}

/// A node that has come to life: says so, and lives until its parent's end.
fn live() -> Result<(), Box<dyn Error>> {
    std::io::stdout().write_all(b".")?;
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Proportional set size, kB.
fn memory_of(pid: Pid) -> Result<u64, Box<dyn Error>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no Pss in smaps_rollup")?.parse()?)
}
