//! The identity provider on loopback, asked by curl as a person's browser would.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::Duration;

use data_encoding::BASE64;
use lab_core::observe::Deed;
use lab_core::service::{Context, Item, Listener, Spans, Told, Watched};
use lab_nodes::CATALOGUE;
use lab_nodes::http::form;
use lab_nodes::saml::{self, SignedBy};
use lab_nodes::ws_federation::{RelyingParty, RelyingPartySettings, SeenHere, TrustedProvider};
use serde_json::json;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::authority::{Authority, run};
use crate::tokens::{ISSUER, REALM, REPLY, SIGNING, now};

const HOST: &str = "idp.fabrikam.com";
const SP: &str = "https://sp.example/metadata";
const ACS: &str = "https://sp.example/acs";

struct Provider {
    authority: Authority,
    at: SocketAddr,
    told: Told,
    _watch: watch::Sender<Watched>,
    _shutdown: watch::Sender<bool>,
    _settings: watch::Sender<serde_json::Value>,
    task: JoinHandle<Result<(), lab_core::service::ServiceError>>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    /// Hidden fields of the page's form, as a browser has them.
    fn fields(&self) -> Vec<(String, String)> {
        let inputs = self.body.split("<input type=\"hidden\" name=\"").skip(1);
        inputs
            .map(|rest| {
                let (name, rest) = rest.split_once("\" value=\"").unwrap();
                let (value, _) = rest.split_once("\">").unwrap();
                (plain(name), plain(value))
            })
            .collect()
    }

    fn field(&self, name: &str) -> String {
        let fields = self.fields();
        let found = fields.iter().find(|(field, _)| field == name);
        found
            .unwrap_or_else(|| panic!("no {name} in {}", self.body))
            .1
            .clone()
    }

    /// The form as a browser sends it.
    fn form(&self) -> String {
        let fields = self.fields();
        form::write(
            fields
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        )
    }
}

fn plain(text: &str) -> String {
    let text = text
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"");
    text.replace("&#39;", "'").replace("&amp;", "&")
}

impl Provider {
    fn start() -> Self {
        let authority = Authority::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let at = listener.local_addr().unwrap();
        let user = |mail: &str| {
            json!({ "password": "Passw0rd!", "claims": {
                (saml::claim_types::EMAIL): [mail], (saml::claim_types::NAME): ["Somebody"] } })
        };
        let settings = json!({
            "port": at.port(), "hosts": [HOST], "title": "Fabrikam <&>", "issuer": ISSUER,
            "sign-in": format!("https://{HOST}/adfs/ls/"),
            "relying-parties": [
                { "realm": REALM, "replies": [REPLY], "name": "Contoso" },
                { "realm": SP, "replies": [ACS, "https://sp.example/other"], "name": "SP" },
            ],
            "users": { "pat@fabrikam.com": user("pat@fabrikam.com"), "kim@example.com": user("kim@example.com") },
            "token-lifetime": 600, "session-lifetime": 3600,
        });
        let (settings, settings_receiver) = watch::channel(settings);
        let (shutdown, shutdown_receiver) = watch::channel(false);
        let (watch, watched) = watch::channel(Watched::Deeds);
        let (spans, told) = Spans::channel(watched);
        let context = Context {
            store: None,
            authority: None,

            lab: "test".into(),
            node: "partner-idp".into(),
            fqdn: HOST.into(),
            addresses: vec![],
            settings: settings_receiver,
            listeners: vec![("https".into(), Listener::Tcp(listener))],
            credentials: BTreeMap::from([
                ("web".to_owned(), authority.credential(&[HOST])),
                ("token-signing".to_owned(), authority.credential(&[SIGNING])),
            ]),
            trust: vec![authority.root.clone()],
            secrets: BTreeMap::new(),
            peers: BTreeMap::new(),
            shutdown: shutdown_receiver,
            network: mpsc::unbounded_channel().0,
            report: mpsc::unbounded_channel().0,
            spans,
        };
        let task = tokio::spawn(CATALOGUE.get("identity-provider").unwrap().run(context));
        Self {
            authority,
            at,
            told,
            _watch: watch,
            _shutdown: shutdown,
            _settings: settings,
            task,
        }
    }

    /// A request by curl, with cookies in this jar.
    async fn curl(&self, jar: &str, path: &str, more: &[&str]) -> Answer {
        let root = self.authority.file("root.pem");
        let jar = self.authority.file(jar);
        let jar = jar.to_str().unwrap();
        let mut command = Command::new("curl");
        command
            .args([
                "--silent",
                "--include",
                "--http1.1",
                "--max-time",
                "20",
                "--noproxy",
                "*",
            ])
            .args([
                "--resolve",
                &format!("{HOST}:{}:{}", self.at.port(), self.at.ip()),
            ])
            .args(["--cookie", jar, "--cookie-jar", jar])
            .arg("--cacert")
            .arg(root)
            .args(more)
            .arg(format!("https://{HOST}:{}{path}", self.at.port()));
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().expect("curl is installed");
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = text
            .strip_prefix("HTTP/1.1 100 Continue\r\n\r\n")
            .unwrap_or(&text);
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    async fn log_in(&self, jar: &str, path: &str, user: &str, password: &str) -> Answer {
        let body = form::write([("UserName", user), ("Password", password)]);
        self.curl(jar, path, &["--data", &body]).await
    }

    /// The next login that it tells of: who, and whether it held.
    async fn told(&mut self) -> (String, bool) {
        let next = async {
            loop {
                let Some(Item::Span(span)) = self.told.next().await else {
                    continue;
                };
                if let Deed::Login {
                    principal,
                    verified,
                    ..
                } = span.deed
                {
                    return (principal, verified);
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), next)
            .await
            .unwrap()
    }

    fn party(&self) -> RelyingParty {
        let provider = TrustedProvider {
            name: "Fabrikam".into(),
            issuer: ISSUER.into(),
            sign_in: "/adfs/ls/".into(),
            signed_by: SignedBy::Named(SIGNING.into()),
        };
        let settings = RelyingPartySettings::new(REALM, REPLY, vec![provider]);
        RelyingParty::new(settings, std::slice::from_ref(&self.authority.root))
    }
}

#[tokio::test]
async fn f2_somebody_logs_in_with_the_form_and_brings_the_token_to_the_site() {
    let mut provider = Provider::start();
    let (party, seen) = (provider.party(), SeenHere::default());
    let path = party.redirect(&party.providers()[0], "/sites/plans");
    let page = provider.curl("jar", &path, &[]).await;
    assert_eq!(page.status, 200);
    assert!(
        page.body.contains("Sign in to go on to Contoso")
            && page.body.contains("Fabrikam &lt;&amp;&gt;")
    );
    let wrong = provider
        .log_in("jar", &path, "pat@fabrikam.com", "guess")
        .await;
    assert!(
        wrong.body.contains("is wrong") && !wrong.head.contains("Set-Cookie"),
        "{}",
        wrong.body
    );
    assert_eq!(
        provider.told().await,
        ("pat@fabrikam.com".to_owned(), false)
    );
    let right = provider
        .log_in("jar", &path, " Pat@Fabrikam.com", "Passw0rd!")
        .await;
    assert_eq!(provider.told().await, ("pat@fabrikam.com".to_owned(), true));
    assert!(
        right.body.contains(&format!("action=\"{REPLY}\"")),
        "{}",
        right.body
    );
    let head = right.head.to_lowercase();
    for flag in ["msisauth=", "; secure", "; httponly"] {
        assert!(head.contains(flag), "{head}");
    }
    let accepted = party
        .accept_at(right.form().as_bytes(), &seen, now())
        .await
        .unwrap();
    assert_eq!(accepted.claims.subject, "pat@fabrikam.com");
    assert_eq!(accepted.return_to, "/sites/plans");
    // Once logged in, nobody is asked again; each token is another.
    let again = provider.curl("jar", &path, &[]).await;
    assert!(
        party
            .accept_at(again.form().as_bytes(), &seen, now())
            .await
            .is_ok()
    );
    let fresh = provider.curl("jar", &format!("{path}&wfresh=0"), &[]).await;
    assert!(fresh.body.contains("name=\"Password\""));
    // Signing out ends it, and tells the site.
    let out = provider.curl("jar", "/adfs/ls/?wa=wsignout1.0", &[]).await;
    assert!(
        out.body.contains(&format!("{REPLY}?wa=wsignoutcleanup1.0")),
        "{}",
        out.body
    );
    let page = provider.curl("jar", &path, &[]).await;
    assert!(page.body.contains("name=\"Password\""));
}

#[tokio::test]
async fn a_token_goes_nowhere_but_to_places_that_are_known() {
    let provider = Provider::start();
    let path =
        |fields: &[(&str, &str)]| format!("/adfs/ls/?{}", form::write(fields.iter().copied()));
    let signin = ("wa", "wsignin1.0");
    for bad in [
        path(&[signin, ("wtrealm", "urn:rogue")]),
        path(&[signin]),
        path(&[
            signin,
            ("wtrealm", REALM),
            ("wreply", "https://rogue.example/"),
        ]),
        path(&[signin, ("wtrealm", REALM), ("wreply", ACS)]),
        path(&[signin, ("wtrealm", REALM), ("wctx", &"x".repeat(3000))]),
        path(&[("wa", "<script>")]),
        path(&[]),
        path(&[("SAMLRequest", "AAAA")]),
        "/adfs/ls/?wa=%ff".to_owned(),
    ] {
        let answer = provider
            .log_in("jar", &bad, "pat@fabrikam.com", "Passw0rd!")
            .await;
        assert_eq!(answer.status, 400, "{bad}");
        assert!(!answer.head.to_lowercase().contains("set-cookie"), "{bad}");
        assert!(!answer.body.contains("<script>"), "{bad}");
    }
    let out = provider
        .curl(
            "jar",
            "/adfs/ls/?wa=wsignout1.0&wreply=https%3A%2F%2Frogue.example%2F",
            &[],
        )
        .await;
    assert!(out.status == 200 && !out.body.contains("rogue"));
    let long = format!(
        "@{}",
        provider
            .authority
            .write("long", &"x".repeat(600 << 10))
            .display()
    );
    let answer = provider
        .curl(
            "jar",
            "/adfs/ls/",
            &["--data-binary", &long, "--header", "Expect:"],
        )
        .await;
    assert_eq!(answer.status, 413);
    assert_eq!(
        provider
            .curl("jar", "/adfs/ls/", &["--request", "PUT"])
            .await
            .status,
        405
    );
    assert_eq!(provider.curl("jar", "/etc/passwd", &[]).await.status, 404);
    assert_eq!(
        provider
            .curl("jar", "/", &["--header", "Host: other.example"])
            .await
            .status,
        421
    );
}

#[tokio::test]
async fn too_many_wrong_passwords_lock_one_account() {
    let mut provider = Provider::start();
    let party = provider.party();
    let path = party.redirect(&party.providers()[0], "/");
    for _ in 0..5 {
        provider
            .log_in("jar", &path, "pat@fabrikam.com", "guess")
            .await;
        assert!(!provider.told().await.1);
    }
    let locked = provider
        .log_in("jar", &path, "pat@fabrikam.com", "Passw0rd!")
        .await;
    assert!(locked.body.contains("locked") && !locked.body.contains("wresult"));
    assert!(!provider.told().await.1);
    let other = provider
        .log_in("jar", &path, "kim@example.com", "Passw0rd!")
        .await;
    assert!(other.body.contains("wresult"));
}

fn request(id: &str, more: &str) -> String {
    format!(
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" ID=\"{id}\" Version=\"2.0\" \
         IssueInstant=\"{}\" {more}><saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{SP}\
         </saml:Issuer></samlp:AuthnRequest>",
        now()
    )
}

#[tokio::test]
async fn a_login_by_saml_2_that_python3_saml_asks_for_and_accepts() {
    let provider = Provider::start();
    let script = provider.authority.write("sp.py", SP_SCRIPT);
    let metadata = provider
        .curl(
            "jar",
            "/FederationMetadata/2007-06/FederationMetadata.xml",
            &[],
        )
        .await;
    let metadata = provider.authority.write("metadata.xml", &metadata.body);
    let folder = metadata.parent().unwrap();
    let python = |arguments: &[&str]| {
        let all = [&[script.to_str().unwrap(), "metadata.xml"], arguments].concat();
        run("/usr/bin/python3", &all, folder)
    };
    let (made, said) = python(&["request"]);
    assert!(made, "{said}");
    let (id, query) = said.trim().split_once(' ').unwrap();
    let path = format!("/adfs/ls/?{query}");
    let page = provider.curl("jar", &path, &[]).await;
    assert!(
        page.body.contains("Sign in to go on to SP"),
        "{}",
        page.body
    );
    let answer = provider
        .log_in("jar", &path, "pat@fabrikam.com", "Passw0rd!")
        .await;
    assert!(answer.body.contains(&format!("action=\"{ACS}\"")));
    assert_eq!(answer.field("RelayState"), "state & more");
    provider
        .authority
        .write("answer", &answer.field("SAMLResponse"));
    let (accepted, said) = python(&["accept", id]);
    assert!(accepted && said.contains("pat@fabrikam.com"), "{said}");
    let (accepted, said) = python(&["accept", "_another"]);
    assert!(!accepted && said.contains("InResponseTo"), "{said}");
    // xmlsec1 verifies the metadata.
    let arguments = [
        "--verify",
        "--id-attr:ID",
        "urn:oasis:names:tc:SAML:2.0:metadata:EntityDescriptor",
        "--trusted-pem",
        "root.pem",
        "metadata.xml",
    ];
    let (valid, said) = run("xmlsec1", &arguments, folder);
    assert!(valid, "{said}");
}

#[tokio::test]
async fn a_request_by_post_is_carried_through_the_login() {
    let provider = Provider::start();
    let encoded = BASE64.encode(request("_1", "").as_bytes());
    let body = form::write([("SAMLRequest", encoded.as_str()), ("RelayState", "r<>")]);
    let page = provider.curl("jar", "/adfs/ls/", &["--data", &body]).await;
    let mut fields = page.form();
    fields.push_str("&UserName=pat%40fabrikam.com&Password=Passw0rd!");
    let answer = provider
        .curl("jar", "/adfs/ls/", &["--data", &fields])
        .await;
    let response = BASE64
        .decode(answer.field("SAMLResponse").as_bytes())
        .unwrap();
    let response = String::from_utf8(response).unwrap();
    assert!(response.contains("InResponseTo=\"_1\"") && answer.field("RelayState") == "r<>");
    // Nobody may be asked, nobody is logged in.
    let encoded = BASE64.encode(request("_2", "IsPassive=\"true\"").as_bytes());
    let body = form::write([("SAMLRequest", encoded.as_str())]);
    let answer = provider
        .curl("empty", "/adfs/ls/", &["--data", &body])
        .await;
    let response = BASE64
        .decode(answer.field("SAMLResponse").as_bytes())
        .unwrap();
    assert!(
        String::from_utf8(response)
            .unwrap()
            .contains("status:NoPassive")
    );
    let other = request(
        "_3",
        "AssertionConsumerServiceURL=\"https://rogue.example/\"",
    );
    let tricks = format!("<!DOCTYPE a>{}", request("_4", ""));
    for bad in [other.as_str(), &tricks, "<a/>", ""] {
        let encoded = BASE64.encode(bad.as_bytes());
        let body = form::write([("SAMLRequest", encoded.as_str())]);
        let answer = provider.curl("jar", "/adfs/ls/", &["--data", &body]).await;
        assert_eq!(answer.status, 400, "{bad}");
    }
}

/// A service provider that has imported the metadata.
const SP_SCRIPT: &str = r#"
import sys
from urllib.parse import urlsplit
from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser
settings = OneLogin_Saml2_IdPMetadataParser.parse(open(sys.argv[1]).read())
settings["strict"] = True
settings["sp"] = {"entityId": "https://sp.example/metadata",
    "assertionConsumerService": {"url": "https://sp.example/acs",
        "binding": "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"},
    "NameIDFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"}
settings["security"] = {"wantAssertionsSigned": True, "requestedAuthnContext": False}
request = {"https": "on", "http_host": "sp.example", "script_name": "/acs", "get_data": {}, "post_data": {}}
if sys.argv[2] == "request":
    auth = OneLogin_Saml2_Auth(request, settings)
    url = auth.login(return_to="state & more")
    print(auth.get_last_request_id(), urlsplit(url).query)
else:
    request["post_data"]["SAMLResponse"] = open("answer").read()
    auth = OneLogin_Saml2_Auth(request, settings)
    auth.process_response(request_id=sys.argv[3])
    if auth.get_errors() or not auth.is_authenticated():
        sys.exit(str(auth.get_last_error_reason()))
    print(auth.get_nameid(), auth.get_attributes())
"#;
