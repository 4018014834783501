//! The control socket in bad company: the lab goes on.

use std::io::{IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};

use crate::support::Host;

fn lab() -> (Host, PathBuf) {
    let host = Host::new();
    let text = "lab: deaf\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  a: { on: s }\n";
    let file = host.folder.write("lab.yaml", text);
    host.up(&file);
    let socket = host.folder.0.join("run/tierlab/deaf.sock");
    (host, socket)
}

fn frame(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("short");
    [&length.to_le_bytes()[..], text.as_bytes()].concat()
}

fn hello(request: &str, more: &str) -> Vec<u8> {
    frame(&format!(
        r#"{{"protocol":1,"program":"test","request":{request}{more}}}"#
    ))
}

#[track_caller]
fn answer(socket: &PathBuf, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).expect("the socket is there");
    stream.write_all(bytes).expect("it takes bytes");
    let mut text = Vec::new();
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// The process id of a lab's keeper.
pub fn keeper(host: &Host, lab: &str) -> String {
    let lock = host.folder.0.join(format!("run/tierlab/{lab}.lock"));
    let first = std::fs::read_to_string(lock).expect("the lock");
    let children = format!("/proc/{0}/task/{0}/children", first.trim());
    let children = std::fs::read_to_string(children).expect("children");
    let keeper = children.split_whitespace().find(|pid| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "lab-keeper")
    });
    keeper.expect("a keeper").to_owned()
}

/// Descriptors that the keeper has open.
fn open_descriptors(host: &Host) -> usize {
    let keeper = keeper(host, "deaf");
    std::fs::read_dir(format!("/proc/{keeper}/fd"))
        .expect("its descriptors")
        .count()
}

const EXEC: &str =
    r#"{"exec":{"node":"a","argv":["true"],"env":{},"cwd":"/","user":null,"terminal":null}}"#;

#[test]
fn truncated_and_endless_messages_are_refused_with_a_sentence() {
    let (host, socket) = lab();
    let whole = hello(r#""status""#, "");
    assert!(answer(&socket, &whole).contains("deaf"));
    for length in 0..whole.len() {
        assert_eq!(answer(&socket, &whole[..length]), "");
    }
    let text = answer(&socket, b"\xff\xff\xff\xff");
    assert!(text.contains("67108864 are the most"), "{text}");
    let text = answer(&socket, &frame("no JSON"));
    assert!(text.contains("of different versions"), "{text}");
    host.exec("a", &["true"]).ok();
}

#[test]
fn another_protocol_is_named_and_unknown_fields_are_passed_over() {
    let (_host, socket) = lab();
    let newer = frame(r#"{"protocol":2,"program":"9.9.9","request":"status","colour":"blue"}"#);
    let text = answer(&socket, &newer);
    assert!(
        text.contains("9.9.9") && text.contains("`lab down`"),
        "{text}"
    );
    let text = answer(&socket, &hello(r#""status""#, r#","colour":"blue""#));
    assert!(text.contains("nodes"), "{text}");
}

#[test]
fn wrong_descriptors_are_refused_and_none_stays_open() {
    let (host, socket) = lab();
    host.exec("a", &["true"]).ok();
    let before = open_descriptors(&host);
    let nothing = std::fs::File::open("/dev/null").expect("/dev/null");
    for count in [0, 1, 2, 4, 10, 16, 17, 100, 253] {
        let mut stream = UnixStream::connect(&socket).expect("the socket is there");
        let raw = vec![nothing.as_raw_fd(); count];
        let rights = [ControlMessage::ScmRights(&raw)];
        let bytes = hello(EXEC, "");
        let control = if count == 0 {
            &rights[..0]
        } else {
            &rights[..]
        };
        sendmsg::<()>(
            stream.as_raw_fd(),
            &[IoSlice::new(&bytes)],
            control,
            MsgFlags::empty(),
            None,
        )
        .expect("sent");
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut text = Vec::new();
        let _ = stream.read_to_end(&mut text);
        let text = String::from_utf8_lossy(&text).into_owned();
        assert!(text.contains("descriptors"), "{count}: {text}");
    }
    crate::support::until(
        "descriptors are closed",
        std::time::Duration::from_secs(10),
        || open_descriptors(&host) <= before,
    );
    let status = host.status();
    assert_eq!(status["nodes"]["a"]["restarts"], 0, "the node died of it");
    host.exec("a", &["true"]).ok();
}

#[test]
fn the_socket_is_its_owners_alone() {
    let (_host, socket) = lab();
    let mode = std::fs::metadata(socket)
        .expect("a socket")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn idle_callers_do_not_keep_others_out() {
    let (host, socket) = lab();
    let idle: Vec<UnixStream> = (0..500)
        .filter_map(|_| UnixStream::connect(&socket).ok())
        .collect();
    for mut stream in &idle {
        let _ = stream.write_all(b"\x10");
    }
    host.exec("a", &["true"]).ok();
    drop(idle);
    host.exec("a", &["true"]).ok();
}
