//! Distinguished names (RFC 4514).

use std::fmt;

/// Most parts of a name.
const MOST_PARTS: usize = 64;

/// A name, compared without regard to case: so does AD every attribute that names are made of.
#[derive(Clone, Debug, Default)]
pub struct Name {
    /// From the entry to the root.
    parts: Vec<Part>,
}

/// A relative name of one attribute: AD has no others.
#[derive(Clone, Debug)]
struct Part {
    attribute: String,
    value: String,
    /// Both, in small letters.
    folded: (String, String),
}

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoName(&'static str);

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.parts.len() == other.parts.len() && self.is_within(other)
    }
}

impl Eq for Name {}

impl Name {
    /// Reads the text form.
    ///
    /// # Errors
    /// It is no such text, has a part of several attributes or more than 64 parts.
    pub fn parse(text: &str) -> Result<Self, NoName> {
        let mut parts = Vec::new();
        let mut rest = text.trim_start();
        if rest.is_empty() {
            return Ok(Self::default());
        }
        loop {
            if parts.len() == MOST_PARTS {
                return Err(NoName("a name has too many parts"));
            }
            let (attribute, after) = rest
                .split_once('=')
                .ok_or(NoName("a part of a name has no ="))?;
            let (value, after) = value(after)?;
            parts.push(Part::new(attribute_type(attribute)?, value));
            match after {
                Some(after) => rest = after.trim_start(),
                None => return Ok(Self { parts }),
            }
        }
    }

    /// `DC=corp,DC=example,DC=com` for `corp.example.com`.
    pub fn of_domain(domain: &str) -> Self {
        let parts = domain
            .split('.')
            .map(|label| Part::new("DC".into(), label.into()))
            .collect();
        Self { parts }
    }

    /// The name of a child.
    #[must_use]
    pub fn child(&self, attribute: &str, value: &str) -> Self {
        let own = Part::new(attribute.into(), value.into());
        let parts = std::iter::once(own).chain(self.parts.iter().cloned());
        Self {
            parts: parts.collect(),
        }
    }

    /// The name of what it stands below; none of the root's.
    pub fn parent(&self) -> Option<Self> {
        let (_, rest) = self.parts.split_first()?;
        Some(Self {
            parts: rest.to_vec(),
        })
    }

    /// The value of its first part.
    pub fn first(&self) -> Option<(&str, &str)> {
        let part = self.parts.first()?;
        Some((&part.attribute, &part.value))
    }

    /// Attributes and values of all its parts.
    pub fn parts(&self) -> impl Iterator<Item = (&str, &str)> {
        let parts = self.parts.iter();
        parts.map(|part| (part.attribute.as_str(), part.value.as_str()))
    }

    /// How many parts it has.
    pub fn depth(&self) -> usize {
        self.parts.len()
    }

    /// Whether it is the root's.
    pub fn is_root(&self) -> bool {
        self.parts.is_empty()
    }

    /// Whether it is this one or stands below it.
    pub fn is_within(&self, base: &Self) -> bool {
        let Some(above) = self.parts.len().checked_sub(base.parts.len()) else {
            return false;
        };
        let own = self.parts[above..].iter();
        own.zip(&base.parts)
            .all(|(own, base)| own.folded == base.folded)
    }
}

impl Part {
    fn new(attribute: String, value: String) -> Self {
        let folded = (attribute.to_lowercase(), value.to_lowercase());
        Self {
            attribute,
            value,
            folded,
        }
    }
}

/// Names of attributes and their identifiers stand for the same (RFC 4514 §3).
fn attribute_type(text: &str) -> Result<String, NoName> {
    let text = text.trim();
    let known = [
        ("2.5.4.3", "CN"),
        ("2.5.4.11", "OU"),
        ("0.9.2342.19200300.100.1.25", "DC"),
    ];
    let bare = text.strip_prefix("OID.").unwrap_or(text);
    if let Some((_, name)) = known.iter().find(|(oid, _)| *oid == bare) {
        return Ok((*name).into());
    }
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if text.is_empty() || !text.chars().all(good) {
        return Err(NoName("an attribute in a name is none"));
    }
    Ok(text.into())
}

/// The value that a text begins with, and what follows its comma.
fn value(text: &str) -> Result<(String, Option<&str>), NoName> {
    let text = text.trim_start();
    if let Some(quoted) = text.strip_prefix('"') {
        return quoted_value(quoted);
    }
    if text.starts_with('#') {
        return Err(NoName("a value in hexadecimal BER is not understood"));
    }
    let mut bytes = Vec::new();
    // How much of it is not a space at its end: those that are not escaped do not count.
    let mut kept = 0;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            ',' | ';' => return Ok((finish(bytes, kept)?, Some(&text[at + 1..]))),
            '+' => return Err(NoName("a part of a name has several attributes")),
            '"' | '<' | '>' | '\0' => return Err(NoName("a value has a character to be escaped")),
            '\\' => {
                bytes.extend(escaped(&mut chars)?.encode());
                kept = bytes.len();
            }
            c => {
                bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
                if c != ' ' {
                    kept = bytes.len();
                }
            }
        }
    }
    Ok((finish(bytes, kept)?, None))
}

/// A value in quotation marks, as LDAPv2 had it (RFC 4514 §3 lets readers take it).
fn quoted_value(text: &str) -> Result<(String, Option<&str>), NoName> {
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => {
                let after = text[at + 1..].trim_start();
                let length = bytes.len();
                let value = finish(bytes, length)?;
                if after.is_empty() {
                    return Ok((value, None));
                }
                let after = after
                    .strip_prefix([',', ';'])
                    .ok_or(NoName("something follows a quoted value"))?;
                return Ok((value, Some(after)));
            }
            '\\' => bytes.extend(escaped(&mut chars)?.encode()),
            c => bytes.extend(c.encode_utf8(&mut [0; 4]).bytes()),
        }
    }
    Err(NoName("a quotation mark is missing"))
}

enum Escaped {
    Char(char),
    Byte(u8),
}

impl Escaped {
    fn encode(self) -> Vec<u8> {
        match self {
            Self::Char(c) => c.to_string().into_bytes(),
            Self::Byte(byte) => vec![byte],
        }
    }
}

fn escaped(chars: &mut std::str::CharIndices<'_>) -> Result<Escaped, NoName> {
    let wrong = NoName("a backslash is followed by nothing it escapes");
    let (_, first) = chars.next().ok_or(wrong)?;
    if !first.is_ascii_hexdigit() {
        let special = r##" "#+,;<=>\"##;
        return if special.contains(first) {
            Ok(Escaped::Char(first))
        } else {
            Err(wrong)
        };
    }
    let (_, second) = chars.next().ok_or(wrong)?;
    let digit = |c: char| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    match (digit(first), digit(second)) {
        (Some(high), Some(low)) => Ok(Escaped::Byte(high << 4 | low)),
        _ => Err(wrong),
    }
}

fn finish(mut bytes: Vec<u8>, kept: usize) -> Result<String, NoName> {
    bytes.truncate(kept);
    if bytes.is_empty() {
        return Err(NoName("a part of a name has no value"));
    }
    String::from_utf8(bytes).map_err(|_| NoName("a value is no UTF-8"))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            write!(f, "{}=", part.attribute)?;
            let last = part.value.chars().count().saturating_sub(1);
            for (at, c) in part.value.chars().enumerate() {
                match c {
                    '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
                    ' ' if at == 0 || at == last => f.write_str("\\ ")?,
                    '#' if at == 0 => f.write_str("\\#")?,
                    c if c.is_control() => {
                        for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                            write!(f, "\\{byte:02X}")?;
                        }
                    }
                    c => write!(f, "{c}")?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_standard_are_read() {
        // RFC 4514 §4.
        for (text, values) in [
            (
                "UID=jsmith,DC=example,DC=net",
                &["jsmith", "example", "net"][..],
            ),
            (
                r#"CN=James \"Jim\" Smith\, III,DC=example"#,
                &["James \"Jim\" Smith, III", "example"],
            ),
            (
                r"CN=Before\0dAfter,DC=example",
                &["Before\rAfter", "example"],
            ),
            (r"CN=Lu\C4\8Di\C4\87", &["Lučić"]),
            ("cn = a b , dc = c", &["a b", "c"]),
            (r"CN=\ a\ ,DC=b", &[" a ", "b"]),
            (r#"CN="a, b";DC=c"#, &["a, b", "c"]),
        ] {
            let name = Name::parse(text).expect(text);
            let found: Vec<&str> = name.parts().map(|(_, value)| value).collect();
            assert_eq!(found, values, "{text}");
            assert_eq!(Name::parse(&name.to_string()), Ok(name.clone()), "{name}");
        }
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for text in [
            "alice",
            "CN",
            "CN=",
            "=a",
            "CN=a,",
            "CN=a,,DC=b",
            "CN=a+OU=b",
            r"CN=a\",
            r"CN=a\4",
            r"CN=a\xx",
            r"CN=\FF",
            "CN=#0403",
            "CN=a<b",
            "CN=\"a",
            "C N=a",
            "CN=\"a\"b",
        ] {
            assert!(Name::parse(text).is_err(), "{text}");
        }
        assert!(Name::parse(&"DC=a,".repeat(5000)).is_err());
    }

    #[test]
    fn names_are_compared_without_case_and_by_parts() {
        let name = |text| Name::parse(text).expect("a name");
        assert_eq!(name("CN=Alice,DC=Corp"), name("cn=alice, dc=corp"));
        assert_eq!(name("2.5.4.3=a"), name("CN=A"));
        assert!(name("CN=a,DC=b").is_within(&name("dc=B")));
        assert!(name("CN=a,DC=b").is_within(&Name::default()));
        assert!(!name(r"CN=a\,DC=b").is_within(&name("DC=b")));
        assert!(!name("DC=b").is_within(&name("CN=a,DC=b")));
    }
}
