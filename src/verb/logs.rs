//! `lab logs`.

use std::process::ExitCode;

use clap::Args;
use lab_core::run::client::running_labs;
use lab_core::run::control::LogLine;
use lab_core::run::launcher::old_logs;
use lab_core::run::log_files::without_colours;

use crate::output::{Colour, Failure, Paint, Screen};
use crate::running::{Which, pick};

/// Show what a lab's nodes logged
///
/// With -l NAME also for a lab that is not up any more. Times are UTC.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab logs
  lab logs web1 -f
  lab logs web1 -l contoso      also after contoso went down")]
pub struct Logs {
    /// One node [default: all]
    node: Option<String>,
    /// Go on with what comes
    #[arg(short, long)]
    follow: bool,
}

impl Logs {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab or node.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let running = running_labs()?;
        let paint = screen.stdout();
        let print = |line: &LogLine| {
            if screen.print(&rendered(line, paint)).is_err() {
                // Nobody reads any more. The connection to the lab closes with us.
                std::process::exit(0);
            }
        };
        let node = self.node.as_deref();
        match &which.name {
            Some(name) if !running.iter().any(|lab| lab.name == *name) => {
                old_logs(name, node, &mut |line| print(&line))?;
            }
            name => {
                pick(running, name.as_deref())?.logs(node, self.follow, &mut |line| print(&line))?
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn rendered(line: &LogLine, paint: Paint) -> String {
    // Without a reset a program's colours would go on in what comes next.
    let text = match paint.is_on() {
        true if line.text.contains('\u{1b}') => format!("{}\u{1b}[0m", line.text),
        true => line.text.clone(),
        false => without_colours(&line.text),
    };
    format!(
        "{} {} {}\n",
        paint.colour(Colour::Grey, &clock(line.time)),
        paint.colour(Colour::Cyan, &format!("{}/{}", line.node, line.process)),
        text
    )
}

/// Time of day in UTC, of milliseconds since the epoch.
fn clock(millis: u64) -> String {
    let seconds = millis / 1000 % 86_400;
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    )
}

#[cfg(test)]
mod tests {
    use lab_core::run::control::LogLine;

    use crate::output::{Paint, When};

    #[test]
    fn a_line_tells_when_and_who() {
        let line = LogLine {
            // 2013-10-09 08:07:06.005 UTC
            time: 1_381_306_026_005,
            node: "web1".into(),
            process: "nginx".into(),
            text: "started".into(),
        };
        let text = super::rendered(&line, Paint::new(When::Never, false));
        assert_eq!(text, "08:07:06.005 web1/nginx started\n");
    }
}
