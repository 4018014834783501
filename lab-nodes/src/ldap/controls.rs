//! Controls of searches: pages (RFC 2696) and order (RFC 2891).

use super::Code;
use super::wire::ber::{ENUMERATED, INTEGER, OCTETS, Reader, SEQUENCE, put, put_number, put_with};
use super::wire::{Control, Malformed, Outcome};

/// Pages.
const PAGES: &str = "1.2.840.113556.1.4.319";
/// Order, and what came of it.
const SORT: &str = "1.2.840.113556.1.4.473";
const SORTED: &str = "1.2.840.113556.1.4.474";
/// Controls that change nothing here: deleted entries, security descriptors, referrals to other
/// domains and aliases are not kept.
const WITHOUT_EFFECT: [&str; 6] = [
    "1.2.840.113556.1.4.417",
    "1.2.840.113556.1.4.619",
    "1.2.840.113556.1.4.801",
    "1.2.840.113556.1.4.1339",
    "1.2.840.113556.1.4.1340",
    "2.16.840.1.113730.3.4.2",
];

/// All controls that are understood.
pub fn known() -> Vec<&'static str> {
    let own = [PAGES, SORT, SORTED].into_iter();
    own.chain(WITHOUT_EFFECT).collect()
}

/// What a search's controls ask for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// A page.
    pub page: Option<Page>,
    /// An order.
    pub sort: Option<Sort>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Entries of it.
    pub size: usize,
    /// Where it begins; empty: at the beginning.
    pub cookie: Vec<u8>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By the first value of this attribute.
    pub attribute: String,
    /// From the last to the first.
    pub reverse: bool,
    /// There are further keys, and AD has but one ([MS-ADTS] §3.1.1.3.4.1.13).
    pub several: bool,
    /// The search must not be done without it.
    pub critical: bool,
}

impl Wishes {
    /// Reads them.
    ///
    /// # Errors
    /// One is malformed, stands twice, or is critical and not understood.
    pub fn read(controls: &[Control]) -> Result<Self, Outcome> {
        let mut wishes = Self::default();
        for control in controls {
            let broken = |Malformed(why)| Outcome::new(Code::PROTOCOL_ERROR, why);
            let twice = || Outcome::new(Code::PROTOCOL_ERROR, "a control stands twice");
            let value = control.value.as_deref().unwrap_or_default();
            match control.oid.as_str() {
                PAGES => {
                    let page = Page::read(value).map_err(broken)?;
                    if wishes.page.replace(page).is_some() {
                        return Err(twice());
                    }
                }
                SORT => {
                    let sort = Sort::read(value, control.critical).map_err(broken)?;
                    if wishes.sort.replace(sort).is_some() {
                        return Err(twice());
                    }
                }
                _ => understood(control)?,
            }
        }
        Ok(wishes)
    }
}

/// Whether an operation may be done that has this control and gives nothing on it.
///
/// # Errors
/// It is critical and not understood.
pub fn understood(control: &Control) -> Result<(), Outcome> {
    if control.critical && !WITHOUT_EFFECT.contains(&control.oid.as_str()) {
        let message = format!(
            "00000057: LdapErr: the critical control {} is not supported",
            control.oid
        );
        return Err(Outcome::new(Code::UNAVAILABLE_CRITICAL_EXTENSION, message));
    }
    Ok(())
}

impl Page {
    fn read(value: &[u8]) -> Result<Self, Malformed> {
        let mut outer = Reader::new(value);
        let mut page = Reader::new(outer.expect(SEQUENCE)?);
        outer.end()?;
        let size = page.number(INTEGER)?;
        let size = usize::try_from(size).map_err(|_| Malformed("a page's size is negative"))?;
        let cookie = page.expect(OCTETS)?.to_vec();
        page.end()?;
        Ok(Self { size, cookie })
    }

    /// Where the next page begins; empty: there is none.
    pub fn next(cookie: &[u8]) -> Control {
        let mut value = Vec::new();
        put_with(&mut value, SEQUENCE, |out| {
            put_number(out, INTEGER, 0);
            put(out, OCTETS, cookie);
        });
        Control {
            oid: PAGES.into(),
            critical: false,
            value: Some(value),
        }
    }
}

impl Sort {
    fn read(value: &[u8], critical: bool) -> Result<Self, Malformed> {
        let mut outer = Reader::new(value);
        let mut keys = Reader::new(outer.expect(SEQUENCE)?);
        outer.end()?;
        let mut key = Reader::new(keys.expect(SEQUENCE)?);
        let attribute = key.text()?.to_owned();
        key.optional(0x80)?;
        let reverse = key.optional(0x81)?.is_some_and(|content| content != [0]);
        key.end()?;
        Ok(Self {
            attribute,
            reverse,
            several: !keys.is_empty(),
            critical,
        })
    }

    /// What came of it.
    pub fn result(code: Code) -> Control {
        let mut value = Vec::new();
        put_with(&mut value, SEQUENCE, |out| {
            put(out, ENUMERATED, &[code.0]);
        });
        Control {
            oid: SORTED.into(),
            critical: false,
            value: Some(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(oid: &str, critical: bool, value: &[u8]) -> Control {
        Control {
            oid: oid.into(),
            critical,
            value: Some(value.to_vec()),
        }
    }

    #[test]
    fn wishes_are_read() {
        let page = control(PAGES, true, &[0x30, 6, 2, 1, 7, 4, 1, 9]);
        let sort = control(SORT, false, b"\x30\x09\x30\x07\x04\x02cn\x81\x01\xff");
        let wishes = Wishes::read(&[page.clone(), sort]).expect("wishes");
        let (size, cookie) = (7, vec![9]);
        assert_eq!(wishes.page, Some(Page { size, cookie }));
        assert_eq!(
            wishes.sort,
            Some(Sort {
                attribute: "cn".into(),
                reverse: true,
                several: false,
                critical: false
            })
        );
        let twice = Wishes::read(&[page.clone(), page]).expect_err("it stands twice");
        assert_eq!(twice.code, Code::PROTOCOL_ERROR);
    }

    #[test]
    fn what_is_critical_is_understood_or_refused() {
        let code = |controls: &[Control]| Wishes::read(controls).map_err(|outcome| outcome.code);
        let known = control(WITHOUT_EFFECT[0], true, &[]);
        assert!(code(&[known, control("1.2.3", false, &[])]).is_ok());
        let unknown = control("1.2.3", true, &[]);
        assert_eq!(code(&[unknown]), Err(Code::UNAVAILABLE_CRITICAL_EXTENSION));
        let negative = control(PAGES, false, &[0x30, 5, 2, 1, 0xff, 4, 0]);
        assert_eq!(code(&[negative]), Err(Code::PROTOCOL_ERROR));
    }
}
