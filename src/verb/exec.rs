//! `lab exec`.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, channel};

use clap::Args;
use lab_core::kernel::interrupt::is_ignored;
use lab_core::run::client::RunningLab;
use lab_core::run::control::{Exec as Request, ExecControl};
use nix::sys::signal::{SigSet, Signal};

use crate::output::Failure;
use crate::running::Which;

/// Variables of the caller that a program in a node gets: how to talk, not where to find things.
/// A proxy or a bus of the host would only lead it astray.
const PASSED: &[&str] = &[
    "TERM",
    "COLORTERM",
    "LANG",
    "LANGUAGE",
    "TZ",
    "NO_COLOR",
    "EDITOR",
    "PAGER",
];

/// Run a program in a node
///
/// Input, output, signals and the exit status are those of the program. It ends with all it
/// started when this command ends.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab exec pc1 -- curl https://intranet.contoso.com/
  lab exec gateway -- nft list ruleset
  tar -c site | lab exec web1 -- tar -x -C /tmp
  lab exec web1 --user www-data -- id
  lab exec pc1 --env SSLKEYLOGFILE=/tmp/keys -- curl https://mail.contoso.com/")]
pub struct Exec {
    /// The node
    pub node: String,
    /// User to run it as [default: root of the node]
    #[arg(short, long, value_name = "U")]
    pub user: Option<String>,
    /// A variable of its environment; KEY alone passes on yours; may be repeated
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<String>,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, value_hint = clap::ValueHint::CommandWithArguments)]
    pub argv: Vec<String>,
}

impl Exec {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node, user or program.
    pub fn run(self, which: &Which) -> Result<ExitCode, Failure> {
        let lab = which.find()?;
        let mut env = caller_environment();
        for variable in &self.env {
            match variable.split_once('=') {
                Some((key, value)) => env.insert(key.to_owned(), value.to_owned()),
                None => std::env::var(variable)
                    .ok()
                    .and_then(|value| env.insert(variable.clone(), value)),
            };
        }
        let control = forward_signals()?;
        let request = Request {
            node: self.node,
            argv: self.argv,
            env,
            cwd: caller_folder(),
            user: self.user,
            terminal: None,
            own: false,
        };
        Ok(exit_code(lab.exec(request, caller_stdio()?, control)?))
    }
}

/// Runs a program of our own making with these descriptors; gives its exit status.
///
/// # Errors
/// There is no such node, or the program is missing.
pub fn run_with(
    lab: &RunningLab,
    node: &str,
    argv: &[&str],
    stdio: [OwnedFd; 3],
) -> Result<i32, Failure> {
    let request = Request {
        node: node.to_owned(),
        argv: argv.iter().map(|&word| word.to_owned()).collect(),
        env: BTreeMap::new(),
        cwd: "/".into(),
        user: None,
        terminal: None,
        own: false,
    };
    // The sender is gone at once: there is nothing to tell the program.
    Ok(lab.exec(request, stdio.into(), channel().1)?)
}

/// The caller's variables that are passed on.
pub fn caller_environment() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(key, _)| PASSED.contains(&key.as_str()) || key.starts_with("LC_"))
        .collect()
}

/// The caller's folder, or the root where it has none (it was removed).
pub fn caller_folder() -> String {
    std::env::current_dir()
        .ok()
        .and_then(|path| path.into_os_string().into_string().ok())
        .unwrap_or_else(|| "/".into())
}

/// Copies of the caller's standard descriptors.
///
/// # Errors
/// There is no descriptor left.
pub fn caller_stdio() -> Result<Vec<OwnedFd>, Failure> {
    let (input, output, errors) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    copies([input.as_fd(), output.as_fd(), errors.as_fd()])
}

/// Copies of descriptors.
///
/// # Errors
/// There is no descriptor left.
pub fn copies(descriptors: [BorrowedFd<'_>; 3]) -> Result<Vec<OwnedFd>, Failure> {
    descriptors
        .into_iter()
        .map(|descriptor| {
            descriptor
                .try_clone_to_owned()
                .map_err(|error| no_descriptors(&error))
        })
        .collect()
}

/// The host gave no descriptor.
pub fn no_descriptors(error: &std::io::Error) -> Failure {
    Failure::host(
        format!("can't open another descriptor: {error}"),
        Some("raise the limit of open files: `ulimit -n`".into()),
    )
}

/// The exit code of a program that ended with this status.
pub fn exit_code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(1))
}

/// From now on these signals are for the program, not for us.
fn forward_signals() -> Result<Receiver<ExecControl>, Failure> {
    let signals: SigSet = [
        Signal::SIGINT,
        Signal::SIGTERM,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
    ]
    .into_iter()
    // What we were started with ignored is not for the program either.
    .filter(|signal| !is_ignored(*signal))
    .collect();
    // Threads started from here on inherit the mask, so that none of them is interrupted.
    signals
        .thread_block()
        .map_err(|error| Failure::host(format!("can't hold back signals: {error}"), None))?;
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        while let Ok(signal) = signals.wait() {
            if sender.send(ExecControl::Signal(signal as i32)).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
