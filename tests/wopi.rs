//! Office Web Apps and a WOPI host that is not ours: it verifies the proof keys by itself, and
//! documents that other programs made are looked at in a browser.

mod support;

use support::{Host, source};

const LAB: &str = "\
lab: wopi
domain: example
resolvers: [client]
segments:
  lan: { prefix: 10.0.1.0/24 }
nodes:
  client: { on: { lan: .60 }, service: dns }
  wac:
    count: 2
    on: { lan: .41 }
    service: { office-web-apps: { farm: wac.example, hosts: [docs.example], proof-key: 1 } }
  docs:
    on: { lan: .21 }
    run: { name: host, argv: [/usr/bin/python3, /etc/wopi_host.py], health: { tcp: 443 } }
    files:
      /etc/wopi_host.py: { from: wopi_host.py }
      /etc/documents/plan.docx: { from: plan.docx }
      /etc/documents/budget.xlsx: { from: budget.xlsx }
      /etc/documents/review.pptx: { from: review.pptx }
      /etc/documents/bomb.docx: { from: bomb.docx }
      /etc/documents/notes.txt: { from: notes.txt }
dns:
  views: { all: { server: client, clients: any } }
  zones: [{ zone: example, view: all, nodes: true, records: { wac: [wac1, wac2] } }]
";

fn up() -> Host {
    let host = Host::new();
    let server = std::fs::read_to_string(source().join("tests/files/wopi_host.py"))
        .expect("the host's file");
    host.folder.write("wopi_host.py", &server);
    host.folder.write("notes.txt", "Minutes of <Monday>\n");
    for name in ["plan.docx", "budget.xlsx", "review.pptx", "bomb.docx"] {
        let document = source().join("fuzz/corpus/document").join(name);
        std::fs::copy(document, host.folder.0.join(name)).expect("the document is copied");
    }
    let file = host.folder.write("lab.yaml", LAB);
    host.up(&file);
    host
}

/// What a client gets from a server of the farm: page and status.
fn post(host: &Host, server: &str, path: &str, who: &str, file: &str, more: &str) -> String {
    let line = format!(
        "curl -sS --max-time 20 --connect-to wac.example:443:{server}:443 -w '%{{http_code}}' \
         --data-urlencode 'WOPISrc=https://docs.example/wopi/files/{file}' \
         --data-urlencode 'access_token=token of {who}' {more} https://wac.example{path}"
    );
    host.sh("client", &line).ok().stdout
}

#[test]
fn f18_a_host_of_others_verifies_the_farm_and_gets_an_edited_text_back() {
    let host = up();
    let page = post(&host, "wac1.example", "/we/edit", "ann", "notes.txt", "");
    assert!(
        page.contains("Minutes of &lt;Monday&gt;") && page.ends_with("200"),
        "{page}"
    );
    let refused = post(&host, "wac2.example", "/we/edit", "ben", "notes.txt", "");
    assert!(
        refused.contains("Somebody else is editing") && refused.ends_with("409"),
        "{refused}"
    );
    // Another server of the farm goes on where the first began.
    let text = "--data-urlencode 'text=Minutes, as agreed'";
    let saved = post(&host, "wac2.example", "/we/save", "ann", "notes.txt", text);
    assert!(
        saved.contains("Saved as version 2") && saved.ends_with("200"),
        "{saved}"
    );
    let late = post(&host, "wac1.example", "/we/save", "ben", "notes.txt", text);
    assert!(
        late.contains("Not saved") && late.ends_with("409"),
        "{late}"
    );
    let page = post(&host, "wac1.example", "/wv/view", "ben", "notes.txt", "");
    assert!(
        page.contains("Minutes, as agreed") && page.ends_with("200"),
        "{page}"
    );
    let log = host.lab(&["logs", "docs"]).ok().stdout;
    assert!(log.contains("asked PUT notes.txt for ann"), "{log}");
    assert!(!log.contains("not proved"), "{log}");
}

#[test]
fn a_browser_shows_text_tables_and_titles() {
    let host = up();
    let dump = |file: &str| {
        let line = format!(
            "chromium --headless --no-sandbox --disable-gpu --ignore-certificate-errors \
             --user-data-dir=/tmp/{file} --virtual-time-budget=5000 --dump-dom \
             'https://wac.example/wv/view?WOPISrc=https%3A%2F%2Fdocs.example%2Fwopi%2Ffiles%2F{file}\
             &access_token=token%20of%20ann' 2>/dev/null"
        );
        host.sh("client", &line).ok().stdout
    };
    let page = dump("plan.docx");
    for seen in [
        "<h1>Plan for the year</h1>",
        "<h2>Aims</h2>",
        "<strong>bold</strong>",
        "<li>First item</li>",
        "<td>cell 1.2</td>",
        "&lt;script&gt;text&lt;/script&gt;",
    ] {
        assert!(page.contains(seen), "no {seen} in {page}");
    }
    let page = dump("budget.xlsx");
    assert!(
        page.contains("Budget") && page.contains("2014-01-31"),
        "{page}"
    );
    let page = dump("review.pptx");
    assert!(
        page.contains("<h2>Agenda</h2>") && page.contains("<li>By region</li>"),
        "{page}"
    );
    let refused = post(&host, "wac1.example", "/wv/view", "ann", "bomb.docx", "");
    assert!(
        refused.contains("too large to be shown") && refused.ends_with("413"),
        "{refused}"
    );
}
