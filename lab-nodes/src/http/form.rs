//! Forms: `application/x-www-form-urlencoded`, in the query of a URL or the body of a POST
//! (WHATWG URL §5).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, utf8_percent_encode};

/// What stays as it is.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'*')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_');
/// Most fields that are read.
const MOST_FIELDS: usize = 64;

/// The fields of a form, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

/// Why something is no form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormError {
    /// What was decoded is no text.
    #[error("a field of the form is not UTF-8")]
    NoText,
    /// More than 64.
    #[error("the form has too many fields")]
    TooMany,
    /// Which of them is meant?
    #[error("the form has the field `{0}` twice")]
    Twice(String),
}

impl Form {
    /// Reads a query or a body.
    ///
    /// # Errors
    /// It has more than 64 fields, one of them twice, or one that is not UTF-8.
    pub fn read(bytes: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for field in bytes.split(|byte| *byte == b'&') {
            if field.is_empty() {
                continue;
            }
            let mut halves = field.splitn(2, |byte| *byte == b'=');
            let name = decode(halves.next().unwrap_or_default())?;
            let value = decode(halves.next().unwrap_or_default())?;
            if form.get(&name).is_some() {
                return Err(FormError::Twice(name));
            }
            if form.0.len() == MOST_FIELDS {
                return Err(FormError::TooMany);
            }
            form.0.push((name, value));
        }
        Ok(form)
    }

    /// The value of a field.
    pub fn get(&self, name: &str) -> Option<&str> {
        let field = self.0.iter().find(|(field, _)| field == name);
        field.map(|(_, value)| value.as_str())
    }

    /// All of them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// As a query or a body.
pub fn write<'f>(fields: impl IntoIterator<Item = (&'f str, &'f str)>) -> String {
    let field = |(name, value)| format!("{}={}", encode(name), encode(value));
    let fields: Vec<String> = fields.into_iter().map(field).collect();
    fields.join("&")
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

fn decode(bytes: &[u8]) -> Result<String, FormError> {
    let spaced: Vec<u8> = bytes
        .iter()
        .map(|byte| if *byte == b'+' { b' ' } else { *byte })
        .collect();
    let decoded: Vec<u8> = percent_decode(&spaced).collect();
    String::from_utf8(decoded).map_err(|_| FormError::NoText)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_it_was_written() {
        let fields = [
            ("wa", "wsignin1.0"),
            ("wctx", "a b&c=d+é%"),
            ("", "x"),
            ("y", ""),
        ];
        let form = Form::read(write(fields).as_bytes()).expect("a form");
        assert_eq!(form.fields().collect::<Vec<_>>(), fields);
        let browser = Form::read(b"user=pat%40fabrikam.com&pass=a+b%2Bc&").expect("a form");
        assert_eq!(browser.get("user"), Some("pat@fabrikam.com"));
        assert_eq!(
            (browser.get("pass"), browser.get("no")),
            (Some("a b+c"), None)
        );
    }

    #[test]
    fn what_has_two_readings_is_refused() {
        assert_eq!(
            Form::read(b"a=1&b=2&a=3"),
            Err(FormError::Twice("a".into()))
        );
        assert_eq!(Form::read(b"a=%ff"), Err(FormError::NoText));
        let many: Vec<String> = (0..65).map(|at| format!("f{at}=")).collect();
        assert_eq!(
            Form::read(many.join("&").as_bytes()),
            Err(FormError::TooMany)
        );
    }
}
