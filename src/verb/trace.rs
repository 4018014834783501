//! `lab trace`.

use std::process::ExitCode;
use std::sync::mpsc::channel;

use clap::{Args, ValueEnum};
use lab_core::run::control::Exec;
use lab_core::run::watch::Watch;

use super::exec::{caller_environment, caller_folder, exit_code, no_descriptors};
use crate::journey;
use crate::output::{Failure, Screen};
use crate::running::Which;

/// How a journey is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// A tree for people
    #[default]
    Tree,
    /// JSON, versioned
    Json,
    /// A Mermaid sequence diagram
    Mermaid,
}

/// Follow one request through every hop
///
/// Runs a program in a node and shows what became of each conversation that the node began
/// meanwhile: names asked for, links crossed, addresses before and after translation, the rule that
/// decided and its line in the lab file, the member that a VIP chose, who ended TLS, who asked whom
/// on its behalf, and where it ended. All of it was seen: packets on the links, decisions of the
/// kernel's rules, connection tracking, and what services tell of themselves.
///
/// What the program prints goes to stderr; its exit status is that of this command.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab trace --from roaming -- curl -s https://mail.contoso.com/owa/
  lab trace --from spammer -- nc -w 1 203.0.113.70 25
  lab trace --from pc1 --format mermaid -- dig +short partnerweb.contoso.com
  lab trace --from pc1 --json -- curl -s https://intranet.contoso.com/ 2>/dev/null | jq .flows")]
pub struct Trace {
    /// The node that the request comes from
    #[arg(long, value_name = "NODE")]
    from: String,
    /// How to write it
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "FORM",
        conflicts_with = "json"
    )]
    format: Form,
    /// The same as `--format json`
    #[arg(long)]
    json: bool,
    /// User to run it as [default: root of the node]
    #[arg(short, long, value_name = "U")]
    user: Option<String>,
    /// The program and its arguments
    #[arg(value_name = "CMD", required = true, trailing_var_arg = true, value_hint = clap::ValueHint::CommandWithArguments)]
    argv: Vec<String>,
}

impl Trace {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node, user or program, or the kernel does not let it be watched.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let lab = which.find()?;
        let watch = Watch::begin(&lab)?;
        let since = watch.mark();
        let asked = self.argv.join(" ");
        let request = Exec {
            node: self.from.clone(),
            argv: self.argv,
            env: caller_environment(),
            cwd: caller_folder(),
            user: self.user,
            terminal: None,
        };
        let status = lab.exec(request, aside()?, channel().1)?;
        let mut journey = watch.journey(&self.from, since, &asked);
        journey.status = Some(status);
        let form = if self.json { Form::Json } else { self.format };
        match form {
            Form::Tree => screen.print(&journey::tree(&journey, screen.stdout()))?,
            Form::Mermaid => screen.print(&journey::sequence(&journey))?,
            Form::Json => screen.json(&journey)?,
        }
        Ok(exit_code(status))
    }
}

/// The caller's standard input, and its standard error twice: stdout is for the journey.
fn aside() -> Result<Vec<std::os::fd::OwnedFd>, Failure> {
    use std::os::fd::AsFd;
    let (input, errors) = (std::io::stdin(), std::io::stderr());
    [input.as_fd(), errors.as_fd(), errors.as_fd()]
        .into_iter()
        .map(|descriptor| {
            descriptor
                .try_clone_to_owned()
                .map_err(|error| no_descriptors(&error))
        })
        .collect()
}
