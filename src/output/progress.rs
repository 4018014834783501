//! Progress of `up` and `apply`, told on stderr: a bar on a terminal, plain lines otherwise.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lab_core::run::control::{Progress, Timing};

use super::{Colour, Screen};

/// Tells progress. It draws in the calling thread alone: the engine forks while it is shown.
pub struct Reporter {
    screen: Screen,
    started: Instant,
    bar: Option<ProgressBar>,
    /// What the stages took, in the order they began.
    pub stages: Vec<Timing>,
}

impl Reporter {
    /// Starts the clock.
    pub fn new(screen: &Screen) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let template = if screen.stderr().is_on() {
                "{bar:32.cyan/blue} {pos}/{len} {wide_msg}"
            } else {
                "{bar:32} {pos}/{len} {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style.progress_chars("━╸─"));
            }
            bar
        });
        Self {
            screen: *screen,
            started: Instant::now(),
            bar,
            stages: Vec::new(),
        }
    }

    /// Takes a step.
    pub fn step(&mut self, step: Progress) {
        match step {
            Progress::Total { nodes, processes } => match &self.bar {
                Some(bar) => {
                    bar.set_length((nodes + processes) as u64);
                    bar.set_message("starting");
                }
                None => self
                    .screen
                    .note(&format!("starting {}", counted(nodes, processes))),
            },
            Progress::Node { node } => self.advance(node),
            Progress::Healthy { node, process } => {
                self.advance(format!("{node}: {process} is healthy"))
            }
            Progress::Stage(timing) => self.stages.push(timing),
            Progress::Warning { message } => {
                let warning = self.screen.stderr().bold_in(Colour::Yellow, "warning:");
                self.above(&format!("{warning} {message}"));
            }
        }
    }

    fn advance(&self, message: String) {
        if let Some(bar) = &self.bar {
            bar.inc(1);
            bar.set_message(message);
        }
    }

    fn above(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| self.screen.note(line)),
            None => self.screen.note(line),
        }
    }

    /// Takes the bar away; gives the time since the start.
    pub fn finish(&mut self) -> Duration {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
        self.started.elapsed()
    }
}

/// `3 nodes, 1 process`.
pub fn counted(nodes: usize, processes: usize) -> String {
    let plural = |count: usize, one: &str, many: &str| {
        format!("{count} {}", if count == 1 { one } else { many })
    };
    format!(
        "{}, {}",
        plural(nodes, "node", "nodes"),
        plural(processes, "process", "processes")
    )
}

/// A duration in milliseconds, for people.
pub fn millis(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    #[test]
    fn numbers_agree_with_their_nouns() {
        assert_eq!(super::counted(1, 2), "1 node, 2 processes");
        assert_eq!(super::counted(3, 1), "3 nodes, 1 process");
        assert_eq!(super::millis(Duration::from_micros(12_340)), "12.3 ms");
    }
}
