//! The fuzz targets, once, with what is committed for them: nothing found before comes back.

#[path = "../fuzz/targets.rs"]
mod targets;

use std::path::{Path, PathBuf};

fn files(folder: &str) -> Vec<PathBuf> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(path) = open.pop() {
        if path.is_dir() {
            let entries = std::fs::read_dir(&path).expect("the folder is read");
            open.extend(entries.map(|entry| entry.expect("an entry").path()));
        } else {
            found.push(path);
        }
    }
    found
}

#[track_caller]
fn replay(folders: &[&str], target: fn(&[u8])) {
    let found: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder)).collect();
    assert!(found.len() >= 4, "the corpus is not there: {found:?}");
    for path in found {
        let bytes = std::fs::read(&path).expect("the file is read");
        target(&bytes);
        // What arrives may be cut off anywhere.
        for length in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
            target(&bytes[..length]);
        }
    }
}

#[test]
fn lab_files_never_panic() {
    replay(&["fuzz/corpus/lab_file", "scenarios"], targets::lab_file);
}

#[test]
fn control_messages_never_panic() {
    replay(&["fuzz/corpus/control"], targets::control);
}

#[test]
fn what_the_kernel_says_never_panics() {
    replay(&["fuzz/corpus/netlink"], targets::netlink);
}

#[test]
fn datagrams_to_the_name_server_never_panic() {
    replay(&["fuzz/corpus/dns"], targets::dns);
}

#[test]
fn heads_on_their_way_through_the_balancer_never_panic() {
    replay(&["fuzz/corpus/http"], targets::http);
}

#[test]
fn messages_of_ntlm_never_panic() {
    replay(&["fuzz/corpus/ntlm"], targets::ntlm);
}

#[test]
fn what_clients_of_sharepoint_write_never_panics() {
    replay(&["fuzz/corpus/dav"], targets::dav);
    replay(&["fuzz/corpus/rest"], targets::rest);
    replay(&["fuzz/corpus/upload"], targets::upload);
}

#[test]
fn pages_with_forms_never_panic() {
    replay(&["fuzz/corpus/form"], targets::form);
}

#[test]
fn questions_about_certificates_and_lists_never_panic() {
    replay(&["fuzz/corpus/revocation"], targets::revocation);
}

#[test]
fn frames_from_a_link_never_panic() {
    replay(&["fuzz/corpus/packet"], targets::packet);
}

#[test]
fn filters_of_a_capture_never_panic() {
    replay(&["fuzz/corpus/capture_filter"], targets::capture_filter);
}

#[test]
fn messages_of_kerberos_never_panic() {
    replay(&["fuzz/corpus/kerberos"], targets::kerberos);
}

#[test]
fn negotiations_never_panic() {
    replay(&["fuzz/corpus/spnego"], targets::spnego);
}

#[test]
fn what_clients_send_the_directory_never_panics() {
    replay(&["fuzz/corpus/ldap"], targets::ldap);
}

#[test]
fn tokens_and_requests_for_them_never_panic() {
    replay(&["fuzz/corpus/saml"], targets::saml);
}

#[test]
fn tokens_among_the_seeds_hold_and_those_that_were_worked_on_do_not() {
    for file in files("fuzz/corpus/saml") {
        let text = std::fs::read_to_string(&file).expect("the file is read");
        let name = file.file_name().expect("a name").to_string_lossy();
        assert_eq!(
            targets::token(&text).is_some(),
            name.starts_with("token-"),
            "{name}"
        );
    }
}

#[test]
fn what_a_browser_brings_to_a_site_never_panics() {
    replay(&["fuzz/corpus/sign_in"], targets::sign_in);
}

#[test]
fn frames_of_the_cache_never_panic() {
    replay(&["fuzz/corpus/cache"], targets::cache);
}

#[test]
fn messages_to_a_database_server_never_panic() {
    replay(&["fuzz/corpus/tds"], targets::tds);
}

#[test]
fn documents_never_panic() {
    replay(&["fuzz/corpus/document"], targets::document);
}

#[test]
fn requests_to_a_wopi_host_never_panic() {
    replay(&["fuzz/corpus/wopi"], targets::wopi);
}

#[test]
fn what_a_farm_tells_never_panics() {
    replay(&["fuzz/corpus/wopi_discovery"], targets::wopi_discovery);
}
