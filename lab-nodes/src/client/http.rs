//! HTTP/1.1, with TLS for `https`.

use hyper::Request;
use hyper::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE, USER_AGENT,
};
use lab_core::scenario::client::{Answer, Cookie, HttpAsk, HttpLogin, LoginWay};

use super::connect::Trouble;
use super::form::{self, Form};
use super::line::Line;
use super::url::Url;
use super::{cookies, login};
use crate::http::body::{self, Body};

/// Most redirections followed.
const REDIRECTIONS: usize = 10;
/// Most forms filled in and sent on the way to a page.
const FORMS: usize = 8;

/// Asks, and follows where that leads.
pub async fn ask(ask: &HttpAsk) -> Answer {
    let mut browser = Browser {
        ask,
        jar: ask.cookies.clone(),
    };
    match browser.ask().await {
        Ok(mut answer) => {
            answer.cookies = browser.jar;
            answer
        }
        Err(trouble) => trouble.into(),
    }
}

struct Browser<'a> {
    ask: &'a HttpAsk,
    jar: Vec<Cookie>,
}

/// One request.
#[derive(Clone)]
struct Wanted {
    method: String,
    url: Url,
    content: Option<String>,
    /// What is sent are the fields of a form.
    is_form: bool,
}

impl Browser<'_> {
    async fn ask(&mut self) -> Result<Answer, Trouble> {
        let url = Url::parse(&self.ask.url)
            .ok_or_else(|| Trouble::protocol(format!("`{}` is no URL", self.ask.url)))?;
        let wanted = Wanted {
            method: self.ask.method.clone(),
            url,
            content: self.ask.body.clone(),
            is_form: false,
        };
        let by_form = |login: &&HttpLogin| login.way == LoginWay::Forms;
        let Some(who) = self.ask.login.as_ref().filter(by_form) else {
            let (answer, _) = self.follow(wanted, self.ask.follow).await?;
            return Ok(answer);
        };
        let answer = self.log_in(&wanted, who).await?;
        // A browser shows where it was led to; who asked for one answer asks again.
        if self.ask.follow && wanted.method == "GET" {
            return Ok(answer);
        }
        let (answer, _) = self.follow(wanted, self.ask.follow).await?;
        Ok(answer)
    }

    /// Fetches a page as a browser does, fills in the form that asks for a password, and sends on
    /// those that a page sends by itself, as the pages of federated logins do.
    async fn log_in(&mut self, wanted: &Wanted, who: &HttpLogin) -> Result<Answer, Trouble> {
        let page = Wanted {
            method: "GET".into(),
            content: None,
            ..wanted.clone()
        };
        let (mut answer, mut at) = self.follow(page, true).await?;
        let mut filled_in = false;
        for _ in 0..FORMS {
            let fields = match form::find(&answer.text) {
                Some(Form::Password(form)) if !filled_in => {
                    filled_in = true;
                    form.filled_in(&who.account, &who.password)
                }
                Some(Form::SentByItself(form)) => form.sent(),
                _ => return Ok(answer),
            };
            let to = match fields.action.as_str() {
                "" => Some(at.clone()),
                action => at.join(action),
            };
            let to = to.ok_or_else(|| {
                Trouble::protocol(format!("a form leads to `{}`, no URL", fields.action))
            })?;
            let wanted = match fields.by_post {
                true => Wanted {
                    method: "POST".into(),
                    url: to,
                    content: Some(fields.content),
                    is_form: true,
                },
                false => {
                    let path = to.path().to_owned();
                    let target = format!("{path}?{}", fields.content);
                    Wanted {
                        method: "GET".into(),
                        url: Url { target, ..to },
                        content: None,
                        is_form: false,
                    }
                }
            };
            (answer, at) = self.follow(wanted, true).await?;
        }
        Err(Trouble::protocol(format!(
            "more than {FORMS} forms stand in the way, the last one at {}",
            at.authority()
        )))
    }

    /// Asks, and follows redirections; also gives where they led.
    async fn follow(
        &mut self,
        mut wanted: Wanted,
        redirections: bool,
    ) -> Result<(Answer, Url), Trouble> {
        for step in 0..=REDIRECTIONS {
            let instead = self.ask.connect.as_deref().filter(|_| step == 0);
            let answer = self.once(&wanted, instead).await?;
            for value in answer.header(SET_COOKIE.as_str()) {
                cookies::take(&mut self.jar, value, &wanted.url);
            }
            let status = answer.status.unwrap_or_default();
            let location = answer.header(LOCATION.as_str()).next().map(str::to_owned);
            let next =
                location.filter(|_| redirections && matches!(status, 301 | 302 | 303 | 307 | 308));
            let Some(location) = next else {
                return Ok((answer, wanted.url));
            };
            wanted.url = wanted.url.join(&location).ok_or_else(|| {
                Trouble::protocol(format!("it is redirected to `{location}`, which is no URL"))
            })?;
            // As browsers do; 307 and 308 keep both (RFC 9110 §15.4).
            if matches!(status, 301..=303) && wanted.method != "HEAD" {
                wanted.method = "GET".into();
                wanted.content = None;
            }
        }
        Err(Trouble::protocol(format!(
            "more than {REDIRECTIONS} redirections, the last one to {}",
            wanted.url.authority()
        )))
    }

    /// Asks once, over a connection of its own, and logs in if it is asked to.
    async fn once(&self, wanted: &Wanted, instead: Option<&str>) -> Result<Answer, Trouble> {
        let mut line = Line::open(&wanted.url, instead).await?;
        // A password is for the host that was meant, not for where it sends us.
        let asked = Url::parse(&self.ask.url);
        let meant = asked.is_some_and(|asked| asked.authority() == wanted.url.authority());
        let who = self.ask.login.as_ref().filter(|_| meant);
        let make = |field: Option<&str>, whole: bool| self.request(wanted, field, whole);
        match who.map(|who| (who.way, who)) {
            Some((LoginWay::Basic, who)) => line.send(make(Some(&login::basic(who)), true)?).await,
            Some((LoginWay::Ntlm, who)) => login::ntlm(&mut line, who, &wanted.url, make).await,
            Some((LoginWay::Negotiate, who)) => {
                login::negotiate(&mut line, who, &wanted.url, make).await
            }
            Some((LoginWay::Forms, _)) | None => line.send(make(None, true)?).await,
        }
    }

    /// A request; without its content where it is not `whole`.
    fn request(
        &self,
        wanted: &Wanted,
        authorization: Option<&str>,
        whole: bool,
    ) -> Result<Request<Body>, Trouble> {
        let url = &wanted.url;
        let mut request = Request::builder()
            .method(wanted.method.as_str())
            .uri(&url.target);
        let given = |name: &str| {
            self.ask
                .headers
                .iter()
                .any(|(key, _)| key.eq_ignore_ascii_case(name))
        };
        if !given(HOST.as_str()) {
            request = request.header(HOST, url.authority());
        }
        if !given(USER_AGENT.as_str()) {
            request = request.header(USER_AGENT, concat!("tierlab/", env!("CARGO_PKG_VERSION")));
        }
        for (name, value) in &self.ask.headers {
            request = request.header(name, value);
        }
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if let Some(field) = cookies::field(&self.jar, url) {
            request = request.header(COOKIE, field);
        }
        if wanted.is_form {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        let content = match &wanted.content {
            Some(content) => {
                let content = if whole { content.as_str() } else { "" };
                request = request.header(CONTENT_LENGTH, content.len());
                body::full(content.to_owned())
            }
            None => body::empty(),
        };
        request
            .body(content)
            .map_err(|error| Trouble::protocol(format!("this can't be asked: {error}")))
    }
}
