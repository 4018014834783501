//! Forms of HTML, as far as logins need them. Reading is total: what is no HTML has no form.

/// A form that leads on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// It asks for a password.
    Password(Fields),
    /// It has nothing to fill in, and the page's script sends it: so federated logins go from the
    /// identity provider to the site.
    SentByItself(Fields),
}

/// A form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    action: String,
    by_post: bool,
    inputs: Vec<Input>,
}

/// An input of a form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Input {
    kind: String,
    name: String,
    value: String,
    checked: bool,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Where to; empty: to where the page was.
    pub action: String,
    /// By POST, else by GET.
    pub by_post: bool,
    /// The fields (`application/x-www-form-urlencoded`).
    pub content: String,
}

/// The first form of a page that leads on.
pub fn find(page: &str) -> Option<Form> {
    let mut forms: Vec<Fields> = Vec::new();
    let mut inside = false;
    let mut script = false;
    let mut rest = page;
    while let Some((tag, after)) = next_tag(rest) {
        rest = after;
        match tag.name.as_str() {
            "form" => {
                inside = true;
                forms.push(Fields {
                    action: tag.value("action").unwrap_or_default(),
                    by_post: tag
                        .value("method")
                        .is_some_and(|method| method.eq_ignore_ascii_case("post")),
                    inputs: Vec::new(),
                });
            }
            "/form" => inside = false,
            "input" | "button" if inside => {
                let kind = tag.value("type").map(|kind| kind.to_ascii_lowercase());
                let usual = if tag.name == "button" {
                    "submit"
                } else {
                    "text"
                };
                let input = Input {
                    kind: kind.unwrap_or_else(|| usual.into()),
                    name: tag.value("name").unwrap_or_default(),
                    value: tag.value("value").unwrap_or_default(),
                    checked: tag.value("checked").is_some(),
                };
                if let Some(form) = forms.last_mut() {
                    form.inputs.push(input);
                }
            }
            "body"
                if tag
                    .value("onload")
                    .is_some_and(|onload| onload.contains("submit(")) =>
            {
                script = true;
            }
            "script" => {
                let end = rest.find("</script").unwrap_or(rest.len());
                script |= rest[..end].contains("submit(");
                rest = &rest[end..];
            }
            _ => {}
        }
    }
    let asks = |form: &&Fields| form.inputs.iter().any(|input| input.kind == "password");
    if let Some(form) = forms.iter().find(asks) {
        return Some(Form::Password(form.clone()));
    }
    let has_nothing = |form: &&Fields| {
        let mut inputs = form.inputs.iter();
        !form.inputs.is_empty()
            && inputs.all(|input| matches!(input.kind.as_str(), "hidden" | "submit"))
    };
    let form = forms.iter().find(has_nothing).filter(|_| script)?;
    Some(Form::SentByItself(form.clone()))
}

impl Fields {
    /// With a name and a password filled in: the name goes before the password.
    pub fn filled_in(mut self, name: &str, password: &str) -> Sent {
        let is_text =
            |input: &Input| matches!(input.kind.as_str(), "text" | "email" | "tel" | "search");
        let secret = self
            .inputs
            .iter()
            .position(|input| input.kind == "password");
        let secret = secret.unwrap_or(self.inputs.len());
        let before = self.inputs[..secret].iter().rposition(is_text);
        let at = before.or_else(|| self.inputs.iter().position(is_text));
        if let Some(at) = at {
            self.inputs[at].value = name.to_owned();
        }
        if let Some(input) = self.inputs.get_mut(secret) {
            input.value = password.to_owned();
        }
        self.sent()
    }

    /// As a browser sends it when its first button is pressed (HTML, "constructing the entry list").
    pub fn sent(self) -> Sent {
        let mut pressed = false;
        let mut pairs = Vec::new();
        for input in &self.inputs {
            let counts = match input.kind.as_str() {
                "submit" => !std::mem::replace(&mut pressed, true),
                "checkbox" | "radio" => input.checked,
                "button" | "reset" | "image" | "file" => false,
                _ => true,
            };
            if counts && !input.name.is_empty() {
                let value = match (input.kind.as_str(), input.value.as_str()) {
                    ("checkbox" | "radio", "") => "on",
                    (_, value) => value,
                };
                pairs.push(format!("{}={}", encoded(&input.name), encoded(value)));
            }
        }
        Sent {
            action: self.action,
            by_post: self.by_post,
            content: pairs.join("&"),
        }
    }
}

struct Tag {
    /// In small letters; `/form` for an end.
    name: String,
    attributes: Vec<(String, String)>,
}

impl Tag {
    fn value(&self, name: &str) -> Option<String> {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| unescaped(value))
    }
}

/// The next tag, and what stands after it.
fn next_tag(page: &str) -> Option<(Tag, &str)> {
    let mut rest = page;
    loop {
        rest = &rest[rest.find('<')? + 1..];
        if let Some(comment) = rest.strip_prefix("!--") {
            rest = &comment[comment.find("-->").unwrap_or(comment.len())..];
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '>');
        let end = end.unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('/').to_ascii_lowercase();
        let begins = |c: char| c.is_ascii_alphabetic() || c == '/';
        if !name.starts_with(begins) {
            continue;
        }
        let (attributes, after) = attributes(&rest[end..]);
        return Some((Tag { name, attributes }, after));
    }
}

/// Attributes up to the end of a tag, and what stands after it.
fn attributes(tag: &str) -> (Vec<(String, String)>, &str) {
    let mut attributes = Vec::new();
    let mut rest = tag;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
        if rest.is_empty() {
            return (attributes, rest);
        }
        if let Some(after) = rest.strip_prefix('>') {
            return (attributes, after);
        }
        let end = rest.find(|c: char| c.is_whitespace() || "=>/".contains(c));
        let end = end.unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        rest = after.trim_start();
        let mut value = "";
        if let Some(after) = rest.strip_prefix('=') {
            let after = after.trim_start();
            (value, rest) = match after.chars().next() {
                Some(quote @ ('"' | '\'')) => {
                    let inner = &after[1..];
                    let end = inner.find(quote).unwrap_or(inner.len());
                    (&inner[..end], inner.get(end + 1..).unwrap_or_default())
                }
                _ => {
                    let end = after.find(|c: char| c.is_whitespace() || c == '>');
                    after.split_at(end.unwrap_or(after.len()))
                }
            };
        } else if name.is_empty() {
            // A sign that begins no attribute, such as a lone `=`, is passed over above.
            let next = rest.chars().next().map_or(0, char::len_utf8);
            rest = &rest[next..];
        }
        attributes.push((name.to_ascii_lowercase(), value.to_owned()));
    }
}

/// Character references resolved: those that servers write into attributes.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let known = rest.find(';').filter(|end| *end <= 10).and_then(|end| {
            let character = match &rest[1..end] {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                other => {
                    let digits = other.strip_prefix('#')?;
                    let number = match digits.strip_prefix(['x', 'X']) {
                        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                        None => digits.parse().ok()?,
                    };
                    char::from_u32(number)?
                }
            };
            Some((character, end + 1))
        });
        let (character, length) = known.unwrap_or(('&', 1));
        plain.push(character);
        rest = &rest[length..];
    }
    plain.push_str(rest);
    plain
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'*' | b'-' | b'.' | b'_' => encoded.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::{Form, find};

    #[test]
    fn a_password_form_is_filled_in_as_by_a_person() {
        let page = r#"<html><form action="/search"><input name=q></form>
            <!-- <form><input type="password"></form> -->
            <FORM Method='POST' action="/_forms/default.aspx?a=1&amp;b=2">
            <input type="hidden" name="__VIEWSTATE" value="&quot;a b&#39;+&#x2f;">
            <input name="user name"><input type=checkbox name=keep><input type=checkbox name=agree checked>
            <input type="password" name="password" />
            <input type="submit" name="go" value="Sign In"><button name="other" value="x">y</button>
            </FORM>"#;
        let Some(Form::Password(form)) = find(page) else {
            panic!("no form");
        };
        let sent = form.filled_in("ivan", "Passw0rd!");
        assert_eq!(sent.action, "/_forms/default.aspx?a=1&b=2");
        assert!(sent.by_post);
        assert_eq!(
            sent.content,
            "__VIEWSTATE=%22a+b%27%2B%2F&user+name=ivan&agree=on&password=Passw0rd%21&go=Sign+In"
        );
    }

    #[test]
    fn a_page_sends_its_form_by_itself_only_with_a_script_and_nothing_to_fill_in() {
        let form = "<form method=post action=https://site/><input type=hidden name=wresult value=x>\
                    <input type=submit></form>";
        assert_eq!(find(form), None);
        let script = format!("{form}<script>document.forms[0].submit();</script>");
        let Some(Form::SentByItself(fields)) = find(&script) else {
            panic!("no form");
        };
        assert_eq!(fields.sent().content, "wresult=x");
        let onload = format!("<body onload=\"document.forms[0].submit()\">{form}");
        assert!(matches!(find(&onload), Some(Form::SentByItself(_))));
        let to_fill_in = script.replace("type=hidden", "type=text");
        assert_eq!(find(&to_fill_in), None);
    }

    #[test]
    fn what_is_no_html_has_no_form() {
        for page in [
            "",
            "<",
            "<form",
            "<input type='",
            "<form><input =",
            "<a<b>&#;",
            "<form =x =>",
        ] {
            assert_eq!(find(page), None, "{page}");
        }
    }
}
