//! A command at a terminal of its own, which can be closed.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

/// A terminal. What is written to it is read all the time, so that nobody waits.
pub struct Terminal {
    shown: Arc<Mutex<String>>,
    keys: std::sync::mpsc::Sender<Vec<u8>>,
    wake: Option<OwnedFd>,
    owner: Option<JoinHandle<()>>,
}

impl Terminal {
    /// Starts a command as the leader of a new session at a new terminal.
    pub fn start(command: &Command) -> (Self, Child) {
        // Nothing that is started beside us may inherit it: it would stay open.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC)
            .expect("a terminal can be had");
        grantpt(&master).expect("grantpt");
        unlockpt(&master).expect("unlockpt");
        let slave = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(nix::libc::O_NOCTTY)
            .open(ptsname_r(&master).expect("its name"))
            .expect("its other side opens");
        let copy = || slave.try_clone().expect("a descriptor");
        let mut session = Command::new("setsid");
        session
            .args(["--ctty", "--wait"])
            .arg(command.get_program())
            .args(command.get_args())
            .stdin(copy())
            .stdout(copy())
            .stderr(copy());
        if let Some(folder) = command.get_current_dir() {
            session.current_dir(folder);
        }
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                session.env(name, value);
            }
        }
        let child = session
            .spawn()
            .expect("setsid (package util-linux) must be installed");
        drop(slave);
        let (woken, wake) = nix::unistd::pipe2(OFlag::O_CLOEXEC).expect("a pipe");
        let shown = Arc::new(Mutex::new(String::new()));
        let (keys, typed) = std::sync::mpsc::channel::<Vec<u8>>();
        let text = Arc::clone(&shown);
        // The only owner of the terminal: it is closed when this ends.
        let owner = std::thread::spawn(move || {
            let mut master = master;
            let mut woken = File::from(woken);
            loop {
                let mut set = [
                    PollFd::new(master.as_fd(), PollFlags::POLLIN),
                    PollFd::new(woken.as_fd(), PollFlags::POLLIN),
                ];
                poll(&mut set, PollTimeout::NONE).expect("poll");
                let [out, control] =
                    set.map(|fd| fd.revents().is_some_and(|events| !events.is_empty()));
                if out {
                    let mut buffer = [0; 4096];
                    // EIO: nobody has the other side open any more.
                    let Ok(count) = master.read(&mut buffer) else {
                        return;
                    };
                    let piece = String::from_utf8_lossy(&buffer[..count]).into_owned();
                    text.lock().expect("unharmed").push_str(&piece);
                }
                if control {
                    if woken.read(&mut [0; 64]).expect("the pipe") == 0 {
                        return;
                    }
                    for bytes in typed.try_iter() {
                        master.write_all(&bytes).expect("the terminal takes keys");
                    }
                }
            }
        });
        let terminal = Self {
            shown,
            keys,
            wake: Some(wake),
            owner: Some(owner),
        };
        (terminal, child)
    }

    /// What it has shown so far.
    pub fn shown(&self) -> String {
        self.shown.lock().expect("unharmed").clone()
    }

    /// Types keys.
    pub fn press(&self, keys: &str) {
        let _ = self.keys.send(keys.as_bytes().to_vec());
        if let Some(wake) = &self.wake {
            let _ = nix::unistd::write(wake, b"k");
        }
    }

    /// Closes it, as a window is closed; gives what it had shown.
    pub fn close(&mut self) -> String {
        drop(self.wake.take());
        if let Some(owner) = self.owner.take() {
            owner.join().expect("the terminal was read");
        }
        self.shown()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.wake.take());
        if let Some(owner) = self.owner.take() {
            let _ = owner.join();
        }
    }
}
