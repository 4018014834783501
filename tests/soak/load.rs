//! Clients that ask all the time, at a bounded rate.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use crate::members::Window;
use crate::support::{Host, finish};

/// Asks until /tmp/stop is there, so many times at most. A line a question: when it began and ended
/// in seconds since the epoch, and what came of it.
const CLIENT: &str = r#"
for number in $(seq "$1"); do
    [ -e /tmp/stop ] && break
    began=$EPOCHREALTIME
    case $0 in
        https:*) answer=$(curl -sS --max-time 10 -o /dev/null -w '%{http_code}' "$0" 2>&1) ;;
        *) answer=$(dig +short +tries=1 +time=5 "$0" 2>&1) ;;
    esac
    echo $began $EPOCHREALTIME $answer
    sleep 0.3
done"#;
/// Most questions a second of one client.
const RATE: f64 = 1.0 / 0.3;

/// What the balancing promises about a question.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// Layer 7 sends a question that failed to another member: none is lost, ever.
    Kept,
    /// Layer 4 knows connections, not questions: those that meet a member which was killed and has
    /// not left its pool are lost, others are not.
    KeptOnceLeft,
}

/// Who asks what, what an answer begins with, and what is promised.
const CLIENTS: [(&str, &str, &str, Promise); 8] = [
    (
        "pc1",
        "https://intranet.contoso.com/health",
        "200",
        Promise::Kept,
    ),
    (
        "pc1",
        "https://mail.contoso.com/",
        "200",
        Promise::KeptOnceLeft,
    ),
    ("pc1", "dc1.corp.contoso.com", "10.0.50.10", Promise::Kept),
    (
        "admin-pc",
        "https://meet.contoso.com/",
        "200",
        Promise::Kept,
    ),
    (
        "partner-pc",
        "https://partnerweb.contoso.com/health",
        "200",
        Promise::Kept,
    ),
    (
        "roaming",
        "https://mail.contoso.com/owa/",
        "200",
        Promise::KeptOnceLeft,
    ),
    (
        "individual",
        "https://meet.contoso.com/",
        "200",
        Promise::Kept,
    ),
    (
        "individual",
        "mail.contoso.com",
        "203.0.113.70",
        Promise::Kept,
    ),
];

/// Clients at work.
pub struct Load {
    clients: Vec<(Child, PathBuf)>,
}

impl Load {
    /// Starts them all, for so long and a little more at most.
    pub fn start(host: &Host, length: Duration) -> Self {
        let most = ((length.as_secs_f64() + 120.0) * RATE).to_string();
        let clients = CLIENTS
            .iter()
            .enumerate()
            .map(|(number, (node, question, ..))| {
                let path = host.folder.0.join(format!("answers-{number}"));
                let file = File::create(&path).expect("the temporary folder can be written");
                let most = most.split('.').next().unwrap_or(&most);
                let child = host
                    .command(&["exec", node, "--", "bash", "-c", CLIENT, question, most])
                    .env("LC_ALL", "C")
                    .stdout(Stdio::from(file))
                    .spawn()
                    .expect("the binary under test runs");
                (child, path)
            });
        Self {
            clients: clients.collect(),
        }
    }

    /// Ends them; gives what they got.
    pub fn end(self, host: &Host) -> Answers {
        for (node, ..) in CLIENTS {
            host.sh(node, "touch /tmp/stop").ok();
        }
        let mut answers = Vec::new();
        for (child, path) in self.clients {
            finish("a client", child).ok();
            let text = std::fs::read_to_string(path).expect("what it got");
            answers.push(text.lines().map(Answer::read).collect());
        }
        Answers(answers)
    }
}

struct Answer {
    began: f64,
    ended: f64,
    text: String,
}

impl Answer {
    fn read(line: &str) -> Self {
        let mut fields = line.splitn(3, ' ');
        let mut time = || fields.next().and_then(|text| text.parse().ok());
        let (Some(began), Some(ended)) = (time(), time()) else {
            panic!("no line of a client: `{line}`");
        };
        Self {
            began,
            ended,
            text: fields.next().unwrap_or_default().to_owned(),
        }
    }
}

/// What the clients got, in their order.
pub struct Answers(Vec<Vec<Answer>>);

impl Answers {
    /// Prints how it went.
    pub fn report(&self, windows: &[Window]) {
        for ((node, question, wanted, promise), answers) in CLIENTS.iter().zip(&self.0) {
            let failed = answers.iter().filter(|one| !one.text.starts_with(wanted));
            let (allowed, lost) =
                failed.partition::<Vec<_>, _>(|one| may_be_lost(*promise, one, windows));
            let slowest = answers
                .iter()
                .map(|one| one.ended - one.began)
                .fold(0.0, f64::max);
            println!(
                "{:6} answers to {node}: {question}, slowest {slowest:.2} s; {} in the hands of a killed member, {} lost",
                answers.len(),
                allowed.len(),
                lost.len()
            );
        }
    }

    /// Fails where a promise was not kept.
    pub fn nothing_was_lost(&self, windows: &[Window]) {
        let mut lost = String::new();
        for ((node, question, wanted, promise), answers) in CLIENTS.iter().zip(&self.0) {
            assert!(answers.len() >= 10, "{node} hardly asked for {question}");
            for one in answers {
                if one.text.starts_with(wanted) || may_be_lost(*promise, one, windows) {
                    continue;
                }
                let (began, ended, text) = (one.began, one.ended, &one.text);
                // What may have to do with it.
                let near: Vec<&Window> = windows
                    .iter()
                    .filter(|window| began - 1.0 < window.left && ended + 1.0 > window.killed)
                    .collect();
                lost +=
                    &format!("{node}: {question} from {began} to {ended}: {text}\n  {near:?}\n");
            }
        }
        assert!(lost.is_empty(), "lost:\n{lost}");
    }
}

fn may_be_lost(promise: Promise, answer: &Answer, windows: &[Window]) -> bool {
    promise == Promise::KeptOnceLeft
        && windows
            .iter()
            .filter(|window| window.victim.starts_with("cas"))
            .any(|window| answer.began < window.left && answer.ended > window.killed)
}
