//! Discovery ([MS-WOPI] §3.1.5.1): what a farm can show and edit, by which address, and the keys
//! that it signs its requests with.

use data_encoding::BASE64;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};

use super::keys::PublicKey;
use super::proof::PublicKeys;
use crate::http::page::escape;

/// Where a farm tells it.
pub const DISCOVERY: &str = "/hosting/discovery";
/// Longest document that is read, in bytes.
const LONGEST: usize = 256 << 10;
/// Most actions that are read.
const MOST_ACTIONS: usize = 1024;

/// Something a farm does with documents of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// The application (`Word`).
    pub app: String,
    /// `view` or `edit`.
    pub name: String,
    /// The kind, by its extension.
    pub extension: String,
    /// The address, with placeholders in angle brackets.
    pub source: String,
}

/// What a farm tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// What it does.
    pub actions: Vec<Action>,
    /// Its keys.
    pub keys: PublicKeys,
}

impl Discovery {
    /// The address to which a host's page sends a browser with a document (`WOPISrc`) of this
    /// extension; none: the farm does not do that.
    pub fn address(&self, action: &str, extension: &str, wopi_src: &str) -> Option<String> {
        let action = self.actions.iter().find(|known| {
            known.name == action && known.extension.eq_ignore_ascii_case(extension)
        })?;
        // Placeholders that a host does not fill are left out.
        let plain = action.source.split('<').next()?;
        let encoded =
            percent_encoding::utf8_percent_encode(wopi_src, percent_encoding::NON_ALPHANUMERIC);
        let separator = match plain.chars().next_back() {
            Some('?' | '&') => "",
            _ if plain.contains('?') => "&",
            _ => "?",
        };
        Some(format!("{plain}{separator}WOPISrc={encoded}"))
    }

    /// As a farm sends it. None: a key can't be told.
    pub fn write(&self, zone: &str) -> Option<String> {
        let mut xml = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<wopi-discovery>\n  <net-zone name=\"{}\">\n",
            escape(zone)
        );
        for (at, action) in self.actions.iter().enumerate() {
            let before = at.checked_sub(1).map(|before| &self.actions[before].app);
            if before != Some(&action.app) {
                if before.is_some() {
                    xml.push_str("    </app>\n");
                }
                xml.push_str(&format!("    <app name=\"{}\">\n", escape(&action.app)));
            }
            let more = match &*action.name {
                "edit" => " requires=\"locks,update\"",
                _ => " default=\"true\"",
            };
            xml.push_str(&format!(
                "      <action name=\"{}\" ext=\"{}\"{more} urlsrc=\"{}\"/>\n",
                escape(&action.name),
                escape(&action.extension),
                escape(&action.source)
            ));
        }
        if !self.actions.is_empty() {
            xml.push_str("    </app>\n");
        }
        let PublicKeys { current, old } = &self.keys;
        xml.push_str(&format!(
            "  </net-zone>\n  <proof-key oldvalue=\"{}\" oldmodulus=\"{}\" oldexponent=\"{}\" \
             value=\"{}\" modulus=\"{}\" exponent=\"{}\"/>\n</wopi-discovery>\n",
            BASE64.encode(&old.blob()?),
            BASE64.encode(&old.modulus),
            BASE64.encode(&old.exponent),
            BASE64.encode(&current.blob()?),
            BASE64.encode(&current.modulus),
            BASE64.encode(&current.exponent),
        ));
        Some(xml)
    }

    /// Reads what a farm sent. None: it is none, or tells no keys.
    pub fn read(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut reader = Reader::from_str(text);
        let mut actions = Vec::new();
        let mut app = String::new();
        let mut keys = None;
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                    "app" => app = attribute(&tag, "name")?,
                    "action" if actions.len() < MOST_ACTIONS => {
                        // Some actions are for no extension.
                        if let Some(extension) = attribute(&tag, "ext") {
                            actions.push(Action {
                                app: app.clone(),
                                name: attribute(&tag, "name")?,
                                extension,
                                source: attribute(&tag, "urlsrc")?,
                            });
                        }
                    }
                    "proof-key" => keys = Some(keys_of(&tag)?),
                    _ => {}
                },
                Event::DocType(_) => return None,
                Event::Eof => break,
                _ => {}
            }
        }
        Some(Self {
            actions,
            keys: keys?,
        })
    }
}

fn keys_of(tag: &BytesStart<'_>) -> Option<PublicKeys> {
    let bytes = |name| BASE64.decode(attribute(tag, name)?.as_bytes()).ok();
    let key = |modulus, exponent| {
        Some(PublicKey {
            modulus: bytes(modulus)?,
            exponent: bytes(exponent)?,
        })
    };
    let current = key("modulus", "exponent")?;
    Some(PublicKeys {
        old: key("oldmodulus", "oldexponent").unwrap_or_else(|| current.clone()),
        current,
    })
}

fn attribute(tag: &BytesStart<'_>, name: &str) -> Option<String> {
    let attribute = tag.try_get_attribute(name).ok()??;
    let value = attribute.normalized_value(XmlVersion::Implicit1_0).ok()?;
    Some(value.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discovery() -> Discovery {
        let key = |byte| PublicKey {
            modulus: vec![byte; 256],
            exponent: vec![1, 0, 1],
        };
        let action = |name: &str, extension: &str| Action {
            app: "Word".into(),
            name: name.into(),
            extension: extension.into(),
            source: format!("https://wac.contoso.com/w/{name}?<ui=UI_LLCC&><rs=DC_LLCC&>"),
        };
        Discovery {
            actions: vec![action("view", "docx"), action("edit", "docx")],
            keys: PublicKeys {
                current: key(7),
                old: key(6),
            },
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let written = discovery().write("internal-https").expect("it is written");
        assert_eq!(Discovery::read(&written), Some(discovery()), "{written}");
        for length in 0..written.len() - 20 {
            let _ = Discovery::read(&written[..length]);
        }
    }

    #[test]
    fn an_address_has_the_document_and_no_placeholders() {
        assert_eq!(
            discovery()
                .address("view", "DOCX", "https://a/b?c")
                .as_deref(),
            Some("https://wac.contoso.com/w/view?WOPISrc=https%3A%2F%2Fa%2Fb%3Fc")
        );
        assert_eq!(discovery().address("view", "exe", "https://a/"), None);
    }
}
