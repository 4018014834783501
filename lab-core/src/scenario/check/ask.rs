//! Steps that a built-in client does.

use crate::model::{Diagnostic, Place, Spanned};
use crate::scenario::checked::Kind;
use crate::scenario::client::{Ask, DnsAsk, HttpAsk, HttpLogin, LoginWay, SmtpAsk, UdpAsk};
use crate::scenario::file::{Login, Step};

use super::Setting;

/// Record types that can be asked for.
const TYPES: &[&str] = &[
    "A", "AAAA", "ANY", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT",
];

/// What is asked, and in words.
pub(super) fn ask(
    kind: Kind,
    step: &Step,
    user: Option<&str>,
    setting: &Setting<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Ask, String)> {
    match kind {
        Kind::Http => http(step, user, setting, diagnostics),
        Kind::Dns => dns(step, diagnostics),
        Kind::Tcp => {
            let to = with_port(step.tcp.as_ref()?, diagnostics)?;
            Some((Ask::Tcp(to.clone()), format!("tcp {to}")))
        }
        Kind::Udp => {
            let to = with_port(step.udp.as_ref()?, diagnostics)?;
            let said = format!("udp {to}");
            let body = step.body.as_ref().map(|body| body.value.clone());
            Some((Ask::Udp(UdpAsk { to, body }), said))
        }
        Kind::Smtp => {
            let server = step.smtp.as_ref()?;
            let ask = SmtpAsk {
                server: server.value.clone(),
                from: step.mail_from.as_ref().map(|from| from.value.clone()),
                to: step.rcpt_to.iter().map(|to| to.value.clone()).collect(),
                data: step.data.as_ref().map(|data| data.value.clone()),
                starttls: step.starttls.unwrap_or_default(),
            };
            let mut envelope = ask.from.iter().chain(&ask.to);
            if let Some(wrong) = envelope.find(|one| one.contains(['\r', '\n', '<', '>'])) {
                let place = &server.place;
                diagnostics.push(
                    Diagnostic::error(
                        "scenario::bad-address",
                        format!("`{}` is no mail address.", wrong.escape_debug()),
                        place,
                        "of this step",
                    )
                    .help("write it like `alice@example.com`"),
                );
                return None;
            }
            Some((Ask::Smtp(ask), format!("smtp {}", server.value)))
        }
        _ => None,
    }
}

fn http(
    step: &Step,
    user: Option<&str>,
    setting: &Setting<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<(Ask, String)> {
    let url = step.http.as_ref().or(step.browse.as_ref())?;
    let rest = ["http://", "https://"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let strange = |c: char| c.is_whitespace() || c.is_control();
    if host.is_none_or(str::is_empty) || url.contains(strange) {
        diagnostics.push(bad(
            url,
            "no URL",
            "write it like `https://www.example/path`",
        ));
    }
    let method = step
        .method
        .as_ref()
        .map_or("GET", |method| method.value.as_str())
        .to_owned();
    if let Some(written) = &step.method
        && !written.chars().all(|c| c.is_ascii_uppercase())
    {
        diagnostics.push(bad(written, "no method", "write it like `POST`"));
    }
    let login = match step.login.as_ref() {
        None => None,
        Some(how) => Some(login(how, step, user, setting, diagnostics)?),
    };
    let ask = HttpAsk {
        url: url.value.clone(),
        method: method.clone(),
        headers: step
            .headers
            .iter()
            .map(|(name, value)| (name.value.clone(), value.clone()))
            .collect(),
        body: step.body.as_ref().map(|body| body.value.clone()),
        follow: step.browse.is_some(),
        login,
        connect: step.connect.as_ref().map(|to| to.value.clone()),
        cookies: Vec::new(),
    };
    let said = match method.as_str() {
        "GET" => url.value.clone(),
        method => format!("{method} {}", url.value),
    };
    Some((Ask::Http(ask), said))
}

fn login(
    how: &Spanned<Login>,
    step: &Step,
    user: Option<&str>,
    setting: &Setting<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<HttpLogin> {
    let directory = setting.known.lab.directory.as_ref();
    let account = user.and_then(|user| setting.known.account(user));
    let given = step
        .password
        .as_ref()
        .map(|password| password.value.clone());
    let password = given.or_else(|| Some(account?.password.clone()));
    let (Some(user), Some(password)) = (user, password) else {
        diagnostics.push(
            Diagnostic::error(
                "scenario::no-user",
                "Nobody is said to log in.",
                &how.place,
                "this login",
            )
            .help(
                "add `as: USER`, one of the lab's directory, or another one with its `password:`",
            ),
        );
        return None;
    };
    if how.value == Login::Negotiate && directory.is_none() {
        diagnostics.push(
            Diagnostic::error(
                "scenario::no-realm",
                "There is no realm whose tickets could be shown.",
                &how.place,
                "this login",
            )
            .help("give the lab a `directory:` with a `realm:`, and a node that controls it"),
        );
        return None;
    }
    Some(HttpLogin {
        way: match how.value {
            Login::Basic => LoginWay::Basic,
            Login::Ntlm => LoginWay::Ntlm,
            Login::Negotiate => LoginWay::Negotiate,
            Login::Forms => LoginWay::Forms,
        },
        account: user.to_owned(),
        password,
        domain: directory.map(|all| all.domain.clone()).unwrap_or_default(),
        realm: directory.map(|all| all.realm.clone()).unwrap_or_default(),
    })
}

fn dns(step: &Step, diagnostics: &mut Vec<Diagnostic>) -> Option<(Ask, String)> {
    let name = step.dns.as_ref()?;
    let kind = step
        .kind
        .as_ref()
        .map_or("A".to_owned(), |kind| kind.to_ascii_uppercase());
    if let Some(written) = &step.kind
        && !TYPES.contains(&kind.as_str())
    {
        let help = format!("there are: {}", TYPES.join(", "));
        diagnostics.push(bad(written, "no record type that can be asked for", &help));
    }
    let tcp = match step.over.as_ref() {
        None => false,
        Some(over) if over.value == "udp" => false,
        Some(over) if over.value == "tcp" => true,
        Some(over) => {
            diagnostics.push(bad(over, "neither `udp` nor `tcp`", "leave it out for UDP"));
            false
        }
    };
    if name.contains(|c: char| c.is_whitespace()) || name.is_empty() || name.len() > 255 {
        diagnostics.push(bad(name, "no name", "write it like `www.example`"));
        return None;
    }
    let said = match kind.as_str() {
        "A" => format!("dns {}", name.value),
        kind => format!("dns {} {kind}", name.value),
    };
    let ask = DnsAsk {
        name: name.value.clone(),
        kind,
        server: step.server.as_ref().map(|server| server.value.clone()),
        tcp,
    };
    Some((Ask::Dns(ask), said))
}

fn with_port(to: &Spanned<String>, diagnostics: &mut Vec<Diagnostic>) -> Option<String> {
    let good = to
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !good {
        diagnostics.push(bad(to, "no `HOST:PORT`", "write it like `mail.example:25`"));
    }
    good.then(|| to.value.clone())
}

fn bad(text: &Spanned<String>, what: &str, help: &str) -> Diagnostic {
    let place: &Place = &text.place;
    Diagnostic::error(
        "scenario::bad-value",
        format!("`{}` is {what}.", text.escape_debug()),
        place,
        "this value",
    )
    .help(help)
}
