//! `lab completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::output::{Failure, Screen};

/// Print a shell's completions of this command
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab completions bash > ~/.local/share/bash-completion/completions/lab
  lab completions fish > ~/.config/fish/completions/lab.fish
  lab completions zsh > ~/.zfunc/_lab")]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Does it.
    ///
    /// # Errors
    /// The output can't be written.
    pub fn run(self, screen: &Screen) -> Result<ExitCode, Failure> {
        screen.print(&script(self.shell))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "lab", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;
    use clap_complete::Shell;

    #[test]
    fn every_shell_learns_the_verbs() {
        for shell in Shell::value_variants() {
            let script = super::script(*shell);
            for word in ["exec", "shell", "fault", "overlay"] {
                assert!(script.contains(word), "{shell} does not know `{word}`");
            }
        }
    }

    #[test]
    fn bash_accepts_its_script() {
        let Ok(bash) = std::process::Command::new("bash").arg("--version").output() else {
            return;
        };
        assert!(bash.status.success());
        let check = std::process::Command::new("bash")
            .args(["-n", "-c", &super::script(Shell::Bash)])
            .status();
        assert!(check.is_ok_and(|status| status.success()));
    }
}
