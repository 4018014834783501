//! `lab trace`.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::channel;
use std::time::Duration;

use clap::{Args, ValueEnum};
use lab_core::observe::{End, Flow, Journey, Tuple, protocol};
use lab_core::plan::Plan;
use lab_core::run::client::RunningLab;
use lab_core::run::control::{Exec, Refusal};
use lab_core::run::watch::Watch;
use lab_core::scenario::client::{Answers, Ask, Errand, HttpAsk};
use lab_core::scenario::{Interrupt, Program, World};

use super::exec::{caller_environment, caller_folder, copies, exit_code};
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
/// Runs a program in a node, asks by a built-in client (--to) or watches what passes (--follow), and
/// shows what became of each conversation that the node began meanwhile: names asked for, links crossed, addresses before and after translation, the rule that
/// decided and its line in the lab file, the member that a VIP chose, who ended TLS, who asked whom
/// on its behalf, and where it ended. All of it was seen: packets on the links, decisions of the
/// kernel's rules, connection tracking, and what services tell of themselves.
///
/// What the program prints goes to stderr; its exit status is that of this command. With --to it is
/// 0 where somebody answered, else 1.
#[derive(Debug, Args)]
#[command(after_long_help = "\
Examples:
  lab trace --from roaming -- curl -s https://mail.contoso.com/owa/
  lab trace --from spammer --to 203.0.113.70:25
  lab trace --from pc1 --to https://intranet.contoso.com/
  lab trace --from pc1 --format mermaid -- dig +short partnerweb.contoso.com
  lab trace --follow --key-log keys &          and `lab capture -w all.pcapng --key-log keys`
  lab trace --from pc1 --json -- curl -s https://intranet.contoso.com/ 2>/dev/null | jq .flows")]
pub struct Trace {
    /// The node that the request comes from; with --follow all nodes but for this
    #[arg(long, value_name = "NODE", required_unless_present = "follow")]
    from: Option<String>,
    /// Ask this in place of a program: a TCP connection, or the page of a URL
    #[arg(long, value_name = "HOST:PORT|URL", conflicts_with_all = ["argv", "user", "follow"])]
    to: Option<String>,
    /// Show what passes from now on, until interrupted
    #[arg(long, conflicts_with = "argv", conflicts_with = "user")]
    follow: bool,
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
    /// Write the secrets of all TLS connections that the lab's services make meanwhile into this file,
    /// for Wireshark's `tls.keylog_file` and `lab capture --key-log`
    #[arg(long, value_name = "FILE")]
    key_log: Option<PathBuf>,
    /// User to run it as [default: root of the node]
    #[arg(short, long, value_name = "U")]
    user: Option<String>,
    /// The program and its arguments
    #[arg(value_name = "CMD", required_unless_present_any = ["follow", "to"], trailing_var_arg = true, value_hint = clap::ValueHint::CommandWithArguments)]
    argv: Vec<String>,
}

impl Trace {
    /// Does it.
    ///
    /// # Errors
    /// There is no such lab, node, user or program, or the kernel does not let it be watched.
    pub fn run(self, which: &Which, screen: &Screen) -> Result<ExitCode, Failure> {
        let lab = which.find()?;
        let watch = match &self.key_log {
            Some(path) => Watch::begin_with_keys(&lab, new_key_log(path)?)?,
            None => Watch::begin(&lab)?,
        };
        let since = watch.mark();
        let Some(from) = self.from.clone().filter(|_| !self.follow) else {
            return self.show_what_passes(&watch, &lab.plan()?, screen);
        };
        if let Some(to) = &self.to {
            return self.ask(&lab, &watch, &from, to, screen);
        }
        let plan = lab.plan()?;
        let asked = self.argv.join(" ");
        let request = Exec {
            node: from.clone(),
            argv: self.argv.clone(),
            env: caller_environment(),
            cwd: caller_folder(),
            user: self.user.clone(),
            terminal: None,
            own: false,
        };
        let status = lab.exec(request, aside()?, channel().1)?;
        let mut journey = watch.journey(&from, since, &asked);
        journey.status = Some(status);
        self.write(&journey, &plan, screen)?;
        Ok(exit_code(status))
    }

    /// Asks by a built-in client.
    fn ask(
        &self,
        lab: &RunningLab,
        watch: &Watch,
        from: &str,
        to: &str,
        screen: &Screen,
    ) -> Result<ExitCode, Failure> {
        let plan = lab.plan()?;
        let by_http = to.starts_with("http://") || to.starts_with("https://");
        let ask = if by_http {
            Ask::Http(HttpAsk {
                url: to.to_owned(),
                method: "GET".into(),
                ..HttpAsk::default()
            })
        } else {
            Ask::Tcp(to.to_owned())
        };
        let errand = Errand {
            ask,
            times: 1,
            limit: PATIENCE,
        };
        let since = watch.mark();
        let program = Program::client(from, &errand).map_err(|error| broken(&error.to_string()))?;
        // Longer than the client's own limit: it is there to say why.
        let limit = Duration::from_millis(3 * PATIENCE);
        let ran = World::run(lab, &program, limit, &Interrupt::default())?;
        let answers: Answers =
            serde_json::from_str(&ran.stdout.text).map_err(|_| broken(ran.stderr.text.trim()))?;
        let journey = watch.journey(from, since, to);
        self.write(&journey, &plan, screen)?;
        let failure = answers.iter().find_map(|answer| answer.failure.as_ref());
        Ok(match failure {
            None => ExitCode::SUCCESS,
            Some((_, why)) => {
                screen.note(why);
                ExitCode::from(1)
            }
        })
    }

    fn write(&self, journey: &Journey, plan: &Plan, screen: &Screen) -> Result<(), Failure> {
        let form = if self.json { Form::Json } else { self.format };
        match form {
            Form::Tree => screen.print(&journey::tree(journey, Some(plan), screen.stdout())),
            Form::Mermaid => screen.print(&journey::sequence(journey)),
            Form::Json => screen.json(journey),
        }
    }

    /// Writes each conversation when it has ended, until the lab is gone or we are interrupted.
    fn show_what_passes(
        &self,
        watch: &Watch,
        plan: &Plan,
        screen: &Screen,
    ) -> Result<ExitCode, Failure> {
        let mut since = watch.mark();
        let mut written: BTreeSet<(String, Tuple, u64)> = BTreeSet::new();
        while !watch.ended() {
            std::thread::sleep(LOOK);
            let now = watch.mark();
            let mut waiting = now;
            for journey in watch.journeys(since, now) {
                let Some(flow) = journey.flows.first() else {
                    continue;
                };
                let own = self.from.as_ref().is_none_or(|from| *from == flow.from);
                let name = (flow.from.clone(), flow.tuple, flow.began);
                if !own || written.contains(&name) {
                    continue;
                }
                if !has_ended(flow, now) {
                    waiting = waiting.min(flow.began);
                    continue;
                }
                self.write(&journey, plan, screen)?;
                written.insert(name);
            }
            since = waiting.min(now.saturating_sub(SETTLED));
            written.retain(|(_, _, began)| *began >= since);
            watch.forget(since.saturating_sub(SETTLED));
        }
        Err(Refusal {
            message: "the lab is gone".into(),
            help: None,
            code: 1,
        }
        .into())
    }
}

/// A new file that only its owner can read: who has it can read what was encrypted.
fn new_key_log(path: &Path) -> Result<File, Failure> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.create(true).append(true).mode(0o600);
    options.open(path).map_err(|error| {
        Failure::host(
            format!("can't write keys into {}: {error}", path.display()),
            None,
        )
    })
}

fn broken(why: &str) -> Failure {
    Failure::host(format!("the built-in client failed: {why}"), None)
}

/// Milliseconds that an answer may take.
const PATIENCE: u64 = 3000;
/// Between two looks at what passes.
const LOOK: Duration = Duration::from_millis(250);
/// Microseconds after which something may be said of a conversation that has no end of its own, or
/// got no answer.
const SETTLED: u64 = 2_000_000;
/// Microseconds after which a conversation is written though it goes on.
const LONG: u64 = 30_000_000;

fn has_ended(flow: &Flow, now: u64) -> bool {
    let quiet = now.saturating_sub(flow.began + flow.micros);
    let answered = flow.end == End::Answered;
    let ends_itself = flow.tuple.protocol == protocol::TCP;
    match (answered, ends_itself) {
        (true, true) => flow.closed || quiet > LONG,
        (true, false) => quiet > SETTLED / 4,
        (false, _) => quiet > SETTLED,
    }
}

/// The caller's standard input, and its standard error twice: stdout is for the journey.
fn aside() -> Result<Vec<OwnedFd>, Failure> {
    let (input, errors) = (std::io::stdin(), std::io::stderr());
    copies([input.as_fd(), errors.as_fd(), errors.as_fd()])
}
