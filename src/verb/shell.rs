//! `lab shell`.

use std::process::ExitCode;
use std::sync::mpsc::channel;

use clap::Args;
use lab_core::run::control::Exec as Request;

use super::exec::{caller_environment, caller_folder, caller_stdio, exit_code};
use crate::output::Failure;
use crate::running::Which;
use crate::terminal;

/// Open a shell in a node
///
/// On a terminal of the node, with job control. Without a terminal it reads commands from stdin.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab shell gateway
  lab shell pc1 --user nobody
  echo 'ip route' | lab shell gateway")]
pub struct Shell {
    /// The node
    node: String,
    /// User to run it as [default: root of the node]
    #[arg(short, long, value_name = "U")]
    user: Option<String>,
}

impl Shell {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node or user.
    pub fn run(self, which: &Which) -> Result<ExitCode, Failure> {
        let lab = which.find()?;
        let at_terminal = terminal::is_there();
        let request = Request {
            node: self.node,
            argv: Vec::new(),
            env: caller_environment(),
            cwd: caller_folder(),
            user: self.user,
            own: false,
            terminal: at_terminal.then(terminal::size),
        };
        let stdio = caller_stdio()?;
        let status = if at_terminal {
            let (raw, control) = terminal::Raw::enter()?;
            let outcome = lab.exec(request, stdio, control);
            drop(raw);
            outcome?
        } else {
            lab.exec(request, stdio, channel().1)?
        };
        Ok(exit_code(status))
    }
}
