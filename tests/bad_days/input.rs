//! Files that are no lab files: refused in bounded memory and time, with a sentence.

use std::fmt::Write as _;
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use crate::support::{Host, Outcome};

/// Memory that `lab check` may take for the worst file, in KiB.
const MOST_MEMORY: i64 = 400 * 1024;
/// Far above what is needed; a quadratic reader takes minutes.
const MOST_TIME: Duration = Duration::from_secs(60);

/// `lab check FILE`, with its address space bounded: more memory would be an abort, not a report.
#[track_caller]
fn refused(host: &Host, file: &str, word: &str) -> Outcome {
    let start = Instant::now();
    let line = format!(
        "ulimit -v {MOST_MEMORY}; exec {} check {file}",
        crate::support::binary().display()
    );
    let output = host.shell(&line);
    assert!(start.elapsed() < MOST_TIME, "too slow: {output}");
    output.fails_with(2).complains(word)
}

#[test]
fn aliases_that_would_expand_are_refused() {
    let host = Host::new();
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..30 {
        let items = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{items}]");
    }
    host.folder.write("bomb.yaml", &text);
    refused(&host, "bomb.yaml", "no YAML anchors and aliases");
}

#[test]
fn deep_nesting_is_refused_where_it_is_too_deep() {
    let host = Host::new();
    host.folder.write("deep.yaml", &"[".repeat(1_000_000));
    refused(&host, "deep.yaml", "nested deeper than 64");
}

#[test]
fn files_that_are_too_long_or_no_files_are_refused_unread() {
    let host = Host::new();
    let huge = std::fs::File::create(host.folder.0.join("huge.yaml")).expect("a file");
    huge.set_len(100 << 20).expect("a hole");
    refused(&host, "huge.yaml", "more than 4 MiB");
    refused(&host, "/dev/zero", "no regular file");
    nix::unistd::mkfifo(&host.folder.0.join("fifo"), nix::sys::stat::Mode::S_IRWXU)
        .expect("a pipe");
    refused(&host, "fifo", "no regular file");
    std::fs::create_dir(host.folder.0.join("folder.yaml")).expect("a folder");
    refused(&host, "./folder.yaml", "there is no such file");
}

#[test]
fn one_long_line_takes_linear_time() {
    let host = Host::new();
    let text = format!("lab: x\nnodes: [{}]\n", "a,".repeat(200_000));
    host.folder.write("line.yaml", &text);
    let outcome = refused(&host, "line.yaml", "nodes");
    assert!(
        outcome.stderr.len() < 1_000_000,
        "the report repeats the file"
    );
}

#[test]
fn too_many_values_are_refused() {
    let host = Host::new();
    host.folder
        .write("many.yaml", &format!("[{}]", "a,".repeat(1_500_000)));
    refused(&host, "many.yaml", "more than 500000 keys and values");
}

#[test]
fn includes_in_a_circle_or_without_end_are_refused() {
    let host = Host::new();
    host.folder.write("a.yaml", "lab: a\ninclude: b.yaml\n");
    host.folder.write("b.yaml", "include: a.yaml\n");
    refused(&host, "a.yaml", "being included already");
    for number in 0..2000 {
        let text = format!("include: c{}.yaml\n", number + 1);
        host.folder.write(&format!("c{number}.yaml"), &text);
    }
    refused(&host, "c0.yaml", "at most 64 files");
}

#[test]
fn a_file_of_another_kind_is_no_lab() {
    let host = Host::new();
    let mut file = std::fs::OpenOptions::new();
    file.write(true).create(true).mode(0o600);
    std::io::Write::write_all(
        &mut file
            .open(host.folder.0.join("binary.yaml"))
            .expect("a file"),
        b"\x7fELF\xff\xfe\x00\x01",
    )
    .expect("written");
    refused(&host, "binary.yaml", "not UTF-8");
}
