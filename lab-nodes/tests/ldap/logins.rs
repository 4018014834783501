//! Who a client is: by password, Kerberos, NTLM, with and without TLS.

use crate::authority::Authority;
use crate::stage::{BASE, LOCKS, PASSWORD, Stage, settings};

const WHO: &str = "u:EXAMPLE\\alice\n";

#[tokio::test]
async fn a_simple_bind_takes_names_as_ad_does() {
    let mut stage = Stage::new().await;
    let url = stage.url();
    for name in [
        "CN=Alice Adams,CN=Users,DC=corp,DC=example,DC=com",
        "cn=alice adams, cn=users,dc=CORP,dc=example,dc=com",
        "alice@corp.example.com",
        "alice@EXAMPLE.com",
        "EXAMPLE\\alice",
        "corp.example.com\\Alice",
        "Alice Adams",
    ] {
        let who = ["-x", "-H", &url, "-D", name, "-w", PASSWORD];
        assert_eq!(stage.good("ldapwhoami", &who).await, WHO, "{name}");
        let (method, principal, verified, proof) = stage.login().await;
        assert_eq!(
            (method.as_str(), principal.as_str(), verified),
            ("ldap simple", "alice", true)
        );
        assert_eq!(proof, "password in the clear");
    }
    let nobody = ["-x", "-H", &url];
    assert_eq!(stage.good("ldapwhoami", &nobody).await, "anonymous\n");
}

#[tokio::test]
async fn a_refused_bind_says_why_in_the_words_of_ad() {
    let mut stage = Stage::new().await;
    let url = stage.url();
    for (name, password, data) in [
        ("alice@corp.example.com", "wrong", "data 52e,"),
        ("mallory@corp.example.com", PASSWORD, "data 525,"),
        ("alice", PASSWORD, "data 525,"),
        ("CN=Users,DC=corp,DC=example,DC=com", PASSWORD, "data 525,"),
        ("FABRIKAM\\alice", PASSWORD, "data 525,"),
        ("EXAMPLE\\dora", PASSWORD, "data 533,"),
        ("EXAMPLE\\ed", PASSWORD, "data 701,"),
        ("EXAMPLE\\pia", PASSWORD, "data 532,"),
        ("EXAMPLE\\pia", "wrong", "data 52e,"),
        ("EXAMPLE\\svc-directory", "", "unwilling"),
        ("EXAMPLE\\svc-directory", "x", "data 52e,"),
    ] {
        let bind = ["-x", "-H", &url, "-D", name, "-w", password];
        let (code, complaint) = stage.bad("ldapwhoami", &bind).await;
        assert!(complaint.contains(data), "{name}: {complaint}");
        if password.is_empty() {
            assert_eq!(code, 53, "{name}");
        } else {
            assert_eq!(code, 49, "{name}");
            assert!(!stage.login().await.2, "{name}");
        }
    }
}

#[tokio::test]
async fn wrong_passwords_lock_an_account_and_the_directory_shows_it() {
    let stage = Stage::new().await;
    let url = stage.url();
    let attributes = ["(sAMAccountName=bob)", "badPwdCount", "lockoutTime"];
    let bind = |password| {
        [
            "-x",
            "-H",
            url.as_str(),
            "-D",
            "EXAMPLE\\bob",
            "-w",
            password,
        ]
    };
    stage.bad("ldapwhoami", &bind("wrong")).await;
    let found = stage.search(&attributes).await;
    assert!(
        found.contains("badPwdCount: 1\n") && found.contains("lockoutTime: 0\n"),
        "{found}"
    );
    for _ in 1..LOCKS {
        stage.bad("ldapwhoami", &bind("wrong")).await;
    }
    let (_, complaint) = stage.bad("ldapwhoami", &bind(PASSWORD)).await;
    assert!(complaint.contains("data 775,"), "{complaint}");
    let found = stage
        .search(&["(lockoutTime>=1)", "sAMAccountName", "badPwdCount"])
        .await;
    assert!(found.contains("sAMAccountName: bob\n"), "{found}");
    assert!(
        found.contains(&format!("badPwdCount: {LOCKS}\n")),
        "{found}"
    );
    assert!(!found.contains("alice"), "{found}");
}

#[tokio::test]
async fn tls_is_there_from_the_start_or_when_asked_for() {
    let mut stage = Stage::new().await;
    let (plain, secure) = (stage.url(), stage.secure_url());
    let who = ["-D", "EXAMPLE\\alice", "-w", PASSWORD];
    for ways in [&["-x", "-ZZ", "-H", &plain][..], &["-x", "-H", &secure]] {
        let all = [ways, &who].concat();
        assert_eq!(stage.good("ldapwhoami", &all).await, WHO);
        assert_eq!(stage.login().await.3, "password inside TLS");
    }
    // Not twice, and not with a certificate of somebody else.
    let twice = [
        "-x",
        "-ZZ",
        "-H",
        &secure,
        "-D",
        "EXAMPLE\\alice",
        "-w",
        PASSWORD,
    ];
    stage.bad("ldapwhoami", &twice).await;
    let address = format!("ldaps://[::ffff:127.0.0.1]:{}", stage.secure.port());
    stage.bad("ldapwhoami", &["-x", "-H", &address]).await;
}

#[tokio::test]
async fn passwords_outside_tls_are_refused_where_the_lab_file_says_so() {
    let mut settings = settings();
    settings.refuses_plain_passwords = true;
    let stage = Stage::with(settings).await;
    let who = ["-D", "EXAMPLE\\alice", "-w", PASSWORD];
    let plain = stage.url();
    let (code, complaint) = stage
        .bad("ldapwhoami", &[&["-x", "-H", &plain][..], &who].concat())
        .await;
    assert_eq!(code, 8, "{complaint}");
    let secured = [&["-x", "-ZZ", "-H", &plain][..], &who].concat();
    assert_eq!(stage.good("ldapwhoami", &secured).await, WHO);
}

#[tokio::test]
async fn a_ticket_opens_the_directory_with_every_layer() {
    let mut stage = Stage::new().await;
    stage.kinit().await;
    let plain = stage.url();
    for (mechanism, method) in [("GSSAPI", "gssapi"), ("GSS-SPNEGO", "gss-spnego")] {
        for (most, strength) in [
            ("0", ""),
            ("1", "SASL SSF: 1\n"),
            ("256", "SASL SSF: 256\n"),
        ] {
            let property = format!("maxssf={most}");
            let bind = ["-Y", mechanism, "-H", &plain, "-O", &property, "-b", BASE];
            let output = stage
                .run(
                    "ldapsearch",
                    &[&bind[..], &["(cn=Alice Adams)", "mail"]].concat(),
                    "",
                )
                .await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            let found = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success(), "{mechanism} {most}: {said}");
            // MIT's library always asks for both in SPNEGO, or for none.
            let negotiated = mechanism == "GSSAPI" || most != "1";
            assert!(
                said.contains(strength) || !negotiated,
                "{mechanism} {most}: {said}"
            );
            assert!(found.contains("mail: alice@example.com\n"), "{found}");
            let (told, principal, verified, proof) = stage.login().await;
            assert_eq!(
                (told.as_str(), principal.as_str(), verified),
                (method, "alice", true)
            );
            assert!(proof.contains("ldap/127.0.0.1"), "{proof}");
        }
        // Inside TLS without a layer of its own.
        let bind = ["-Y", mechanism, "-ZZ", "-Q", "-H", &plain, "-O", "maxssf=0"];
        assert_eq!(stage.good("ldapwhoami", &bind).await, WHO, "{mechanism}");
        stage.login().await;
    }
    // GSSAPI has a word for it; SPNEGO is refused a layer inside TLS, as by AD.
    let secure = stage.secure_url();
    let bind = |mechanism| ["-Y", mechanism, "-Q", "-H", secure.as_str()];
    assert_eq!(stage.good("ldapwhoami", &bind("GSSAPI")).await, WHO);
    let (code, complaint) = stage.bad("ldapwhoami", &bind("GSS-SPNEGO")).await;
    assert_eq!(code, 53, "{complaint}");
}

#[tokio::test]
async fn ntlm_opens_the_directory_by_negotiation_and_seals_it() {
    let mut stage = Stage::new().await;
    let plain = stage.url();
    let bind = ["-Y", "GSS-SPNEGO", "-LLL", "-H", &plain, "-b", BASE];
    let search = [&bind[..], &["(cn=Alice Adams)", "mail"]].concat();
    stage.ntlm_user("alice", PASSWORD);
    let found = stage.good("ldapsearch", &search).await;
    assert!(found.contains("mail: alice@example.com\n"), "{found}");
    let (method, principal, verified, proof) = stage.login().await;
    let told = (method.as_str(), principal.as_str(), verified);
    assert_eq!(told, ("gss-spnego", "alice", true));
    assert!(proof.starts_with("NTLMv2"), "{proof}");
    stage.ntlm_user("alice", "wrong");
    let (code, complaint) = stage.bad("ldapsearch", &search).await;
    assert_eq!(code, 49, "{complaint}");
    assert!(complaint.contains("data 52e,"), "{complaint}");
    assert!(!stage.login().await.2);
}

#[tokio::test]
async fn a_client_may_show_a_certificate_and_it_is_verified() {
    let stage = Stage::new().await;
    let secure = stage.secure_url();
    let bind = ["-x", "-H", &secure, "-D", "EXAMPLE\\alice", "-w", PASSWORD];
    let [_, certificate, _, key] = stage.authority.files("web1.corp.example.com");
    stage.shows(&certificate, &key);
    assert_eq!(stage.good("ldapwhoami", &bind).await, WHO);
    let others = Authority::new();
    let [_, certificate, _, key] = others.files("web1.corp.example.com");
    stage.shows(&certificate, &key);
    stage.bad("ldapwhoami", &bind).await;
}

#[tokio::test]
async fn without_a_ticket_there_is_no_kerberos() {
    let stage = Stage::new().await;
    let plain = stage.url();
    let (_, complaint) = stage
        .bad("ldapwhoami", &["-Y", "GSSAPI", "-H", &plain])
        .await;
    assert!(complaint.contains("GSSAPI"), "{complaint}");
    let (code, complaint) = stage
        .bad(
            "ldapwhoami",
            &[
                "-Y", "CRAM-MD5", "-U", "alice", "-w", PASSWORD, "-H", &plain,
            ],
        )
        .await;
    assert_eq!(code, 7, "{complaint}");
}

/// Python's ldap3, which logs in by NTLM in the words of Sicily, and by Kerberos without layers.
const PYTHON: &str = r#"
import os, ssl, sys
# Debian calls it by another name, and OpenSSL 3 has no MD4.
import Cryptodome.Hash.MD4
sys.modules["Crypto"] = Cryptodome
sys.modules["Crypto.Hash"] = Cryptodome.Hash
from ldap3 import *
from ldap3.core.exceptions import LDAPException
tls = Tls(validate=ssl.CERT_REQUIRED, ca_certs_file=os.environ["ROOT"], version=ssl.PROTOCOL_TLS_CLIENT)
server = Server("127.0.0.1", port=int(os.environ["PLAIN"]), get_info=ALL, tls=tls)
secure = Server("127.0.0.1", port=int(os.environ["SECURE"]), use_ssl=True, get_info=ALL, tls=tls)
base = "DC=corp,DC=example,DC=com"
def who(connection):
    print(connection.extend.standard.who_am_i())
for place in (server, secure):
    with Connection(place, "EXAMPLE\\alice", "Passw0rd!", authentication=NTLM, raise_exceptions=True) as c:
        who(c)
for login in ({"user": "EXAMPLE\\alice", "password": "wrong"}, {"user": "EXAMPLE\\dora", "password": "Passw0rd!"}):
    c = Connection(server, authentication=NTLM, **login)
    print(c.bind(), c.result["description"], c.result["message"].split("data ")[-1].split(",")[0])
c = Connection(server, "alice@corp.example.com", "Passw0rd!")
print(c.start_tls(), c.bind()); who(c)
found = c.extend.standard.paged_search(base, "(objectClass=*)", attributes=["cn"], paged_size=3, generator=False)
print(len(found) == len({entry["dn"] for entry in found}), len(found) > 9)
c.search(base, "(sAMAccountName=alice)", attributes=ALL_ATTRIBUTES)
entry = c.entries[0]
print(entry.objectSid.value.startswith("S-1-5-21-"), len(entry.objectGUID.value), entry.whenCreated.value.year)
print(server.info.other["defaultNamingContext"][0], "user" in server.schema.object_classes)
c.search(base, "(objectSid=%s)" % entry.objectSid.value, attributes=["cn"])
print(c.entries[0].cn)
guid = "".join("\\%02x" % byte for byte in entry.objectGUID.raw_values[0])
c.search(base, "(objectGUID=%s)" % guid, attributes=["cn"])
print(c.entries[0].cn)
with Connection(server, authentication=SASL, sasl_mechanism=KERBEROS, raise_exceptions=True) as c:
    who(c)
"#;

#[tokio::test]
async fn pythons_ldap3_finishes_its_session() {
    let mut stage = Stage::new().await;
    stage.kinit().await;
    let said = stage.good("/usr/bin/python3", &["-c", PYTHON]).await;
    let wanted = [
        "u:EXAMPLE\\alice",
        "u:EXAMPLE\\alice",
        "False invalidCredentials 52e",
        "False invalidCredentials 533",
        "True True",
        "u:EXAMPLE\\alice",
        "True True",
        "True 38 2013",
        "DC=corp,DC=example,DC=com True",
        "Alice Adams",
        "Alice Adams",
        "u:EXAMPLE\\alice",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), wanted);
    let (method, principal, verified, proof) = stage.login().await;
    assert_eq!(
        (method.as_str(), principal.as_str(), verified),
        ("ntlm", "alice", true)
    );
    assert!(proof.starts_with("NTLMv2"), "{proof}");
}
