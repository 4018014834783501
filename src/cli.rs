//! The command line: its verbs and what is common to them.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::output::{Failure, Screen, When};
use crate::running::Which;
use crate::verb;

/// A whole enterprise network on one machine
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    long_about = "Builds an enterprise network out of Linux namespaces on this machine and runs \
                  light servers in it that stock clients can talk to. No root, no containers, and \
                  nothing is left behind.",
    after_help = "Exit codes: 0 done, 1 a scenario or a health check failed, 2 the input or the usage is wrong, \
                  3 the host can't do it, 130 interrupted (as shells count signals: \
                  143 terminated, 129 hung up).",
    after_long_help = "\
Examples:
  lab up                            the lab in ./lab.yaml, else the built-in contoso
  lab status                        what is where, and how it is
  lab exec pc1 -- curl https://intranet.contoso.com/
  lab down

Exit codes:
  0    done
  1    a scenario or a health check failed
  2    the input or the usage is wrong
  3    the host can't do it
  130  interrupted (ctrl-C); other signals as shells count them: 143 terminated, 129 hung up",
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// When to use colour; NO_COLOR is honoured
    #[arg(long, global = true, value_enum, default_value_t = When::Auto, value_name = "WHEN")]
    pub color: When,
    /// Which lab.
    #[command(flatten)]
    pub which: Which,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Debug, Subcommand)]
#[allow(missing_docs)] // Each is documented in its own file.
pub enum Verb {
    Up(verb::up::Up),
    Init(verb::init::Init),
    Down(verb::down::Down),
    Apply(verb::apply::Apply),
    Status(verb::status::Status),
    Test(verb::test::Test),
    Exec(verb::exec::Exec),
    Shell(verb::shell::Shell),
    Cp(verb::cp::Cp),
    Logs(verb::logs::Logs),
    Trace(verb::trace::Trace),
    Capture(verb::capture::Capture),
    Fault(verb::fault::FaultArgs),
    Heal(verb::heal::Heal),
    Explain(verb::explain::Explain),
    Matrix(verb::matrix::MatrixArgs),
    Graph(verb::graph::Graph),
    Check(verb::check::Check),
    Schema(verb::schema::Schema),
    Doctor(verb::doctor::Doctor),
    Completions(verb::completions::Completions),
    #[command(hide = true)]
    Client(verb::client::Client),
}

impl Cli {
    /// Does it.
    ///
    /// # Errors
    /// Why it was not done.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        let which = &self.which;
        match self.verb {
            Verb::Up(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Init(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Check(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Schema(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Doctor(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Completions(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Explain(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Client(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Apply(verb) => which.unused().and_then(|()| verb.run(screen)),
            Verb::Down(verb) => verb.run(which, screen),
            Verb::Status(verb) => verb.run(which, screen),
            Verb::Test(verb) => verb.run(which, screen),
            Verb::Exec(verb) => verb.run(which),
            Verb::Shell(verb) => verb.run(which),
            Verb::Cp(verb) => verb.run(which),
            Verb::Logs(verb) => verb.run(which, screen),
            Verb::Trace(verb) => verb.run(which, screen),
            Verb::Capture(verb) => verb.run(which, screen),
            Verb::Fault(verb) => verb.run(which, screen),
            Verb::Heal(verb) => verb.run(which, screen),
            Verb::Matrix(verb) => verb.run(which, screen),
            Verb::Graph(verb) => verb.run(which, screen),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, Verb};

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_verb_has_long_help_with_an_example() {
        for verb in Cli::command().get_subcommands_mut() {
            let name = verb.get_name().to_owned();
            let help = verb.render_long_help().to_string();
            assert!(
                help.contains(&format!("lab {name}")),
                "`lab {name} --help` has no example:\n{help}"
            );
        }
    }

    #[test]
    fn exec_leaves_the_programs_options_alone() {
        for line in [
            &[
                "lab", "exec", "pc1", "--user", "www-data", "--", "curl", "-v", "--user", "x",
            ][..],
            &[
                "lab", "exec", "--user", "www-data", "pc1", "curl", "-v", "--user", "x",
            ],
        ] {
            let Verb::Exec(exec) = Cli::parse_from(line).verb else {
                panic!("not exec: {line:?}")
            };
            assert_eq!(exec.node, "pc1");
            assert_eq!(exec.user.as_deref(), Some("www-data"));
            assert_eq!(exec.argv, ["curl", "-v", "--user", "x"]);
        }
    }

    #[test]
    fn the_lab_may_be_named_before_the_verb_or_after_it() {
        for line in [
            &["lab", "-l", "nat", "fault", "kill", "a"][..],
            &["lab", "fault", "-l", "nat", "kill", "a"],
            &["lab", "fault", "kill", "a", "-l", "nat"],
        ] {
            assert_eq!(
                Cli::parse_from(line).which.name.as_deref(),
                Some("nat"),
                "{line:?}"
            );
        }
    }

    #[test]
    fn exec_needs_a_program() {
        assert!(Cli::try_parse_from(["lab", "exec", "pc1"]).is_err());
    }

    #[test]
    fn down_takes_a_lab_or_all_but_not_both() {
        assert!(Cli::try_parse_from(["lab", "down", "contoso", "--all"]).is_err());
        assert!(Cli::try_parse_from(["lab", "down", "--all"]).is_ok());
    }
}
