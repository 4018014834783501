//! Rubbish in the lab's folders: replaced, or refused with the path of it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::support::Host;

const LAB: &str = "lab: odd\nsegments:\n  s: { prefix: 10.0.0.0/24 }\nnodes:\n  \
                   a: { on: s }\n  w: { on: s, service: { tier-web: {} } }\n";

fn host() -> (Host, PathBuf, PathBuf) {
    let host = Host::new();
    let file = host.folder.write("lab.yaml", LAB);
    let state = host.folder.0.join("state/tierlab/odd");
    (host, file, state)
}

fn remove(path: &Path) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
}

#[test]
fn rubbish_in_the_authority_s_files_is_replaced() {
    let (host, file, state) = host();
    host.up(&file);
    host.lab(&["down", "odd"]).ok();
    for name in [
        "root-ca.crt",
        "issuing-ca.crt",
        "issuing-ca.key",
        "plan.json",
    ] {
        for bytes in [&b""[..], b"\xff\xfe\0", b"-----BEGIN CERTIFICATE-----\nMII"] {
            fs::write(state.join(name), bytes).expect("written");
            host.up(&file);
            // A stock client trusts what serves now.
            let url = ["--resolve", "w:443:10.0.0.12", "https://w/health"];
            let curl = ["curl", "-sSf", "--max-time", "5"];
            host.exec("a", &[&curl[..], &url[..]].concat()).ok();
            host.lab(&["down", "odd"]).ok();
        }
    }
}

#[test]
fn files_where_folders_belong_and_folders_where_files_do_are_named() {
    let (host, file, state) = host();
    let text = file.to_string_lossy();
    for (path, is_folder) in [
        ("logs", false),
        ("plan.json", true),
        ("engine.log", true),
        ("", false),
    ] {
        let at = match path {
            "" => state.clone(),
            path => state.join(path),
        };
        remove(&at);
        fs::create_dir_all(at.parent().expect("a parent")).expect("a folder");
        if is_folder {
            fs::create_dir(&at).expect("a folder");
        } else {
            fs::write(&at, "").expect("a file");
        }
        host.lab(&["up", &text])
            .fails_with(3)
            .complains("tierlab/odd")
            .complains("can't write");
        host.lab(&["status"]).fails_with(2);
        remove(&at);
    }
    // What a log would be called, in the folder of logs.
    fs::create_dir_all(state.join("logs/w.log")).expect("a folder");
    host.up(&file);
    host.exec("a", &["true"]).ok();
    host.lab(&["logs"]).ok();
}

#[test]
fn a_lock_that_names_a_stranger_s_process_is_nobody_s() {
    let (host, file, _) = host();
    let folder = host.folder.0.join("run/tierlab");
    fs::create_dir_all(&folder).expect("a folder");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("chmod");
    let mut stranger = std::process::Command::new("sleep")
        .arg("1000")
        .spawn()
        .expect("sleep");
    for text in [
        stranger.id().to_string(),
        "1".into(),
        "rubbish".into(),
        String::new(),
    ] {
        fs::write(folder.join("odd.lock"), &text).expect("written");
        // A socket that nobody listens at, as after a crash of the host.
        let socket = folder.join("odd.sock");
        remove(&socket);
        drop(std::os::unix::net::UnixListener::bind(&socket).expect("a socket"));
        host.lab(&["status"]).fails_with(2);
        host.lab(&["down", "odd"]);
        assert!(
            stranger.try_wait().expect("its state").is_none(),
            "`down` ended a stranger's process"
        );
        host.up(&file);
        host.lab(&["down", "odd"]).ok();
        assert!(stranger.try_wait().expect("its state").is_none());
    }
    let _ = stranger.kill();
    let _ = stranger.wait();
}

#[test]
fn another_user_is_refused_at_the_socket_and_the_lab_goes_on() {
    let (host, file, _) = host();
    host.up(&file);
    let socket = host.folder.0.join("run/tierlab/odd.sock");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!(mode(&socket), 0o600);
    assert_eq!(mode(socket.parent().expect("a folder")), 0o700);
    // Somebody opened all folders above it.
    for path in socket.ancestors().skip(1).take(3) {
        let open = fs::Permissions::from_mode(mode(path) | 0o777);
        fs::set_permissions(path, open).expect("chmod");
    }
    let line = format!("nc -w 5 -U {} </dev/null", socket.display());
    let connect = |line: &str| match crate::support::is_root() {
        // An id that is not of the lab and not of its owner.
        true => host.shell(&format!(
            "setpriv --reuid 1 --regid 1 --clear-groups sh -c '{line}'"
        )),
        // In a user namespace without a map everybody is nobody, but the file's owner: so another
        // file's owner has to do.
        false => host.shell(&format!("chmod 0 {}; {line}", socket.display())),
    };
    let refused = connect(&line);
    assert_ne!(refused.status, 0, "{refused}");
    assert!(refused.stderr.contains("Permission denied"), "{refused}");
    fs::set_permissions(&socket, fs::Permissions::from_mode(0o600)).expect("chmod");
    host.exec("a", &["true"]).ok();
}
