//! Where a search begins: a name, or one of the forms that AD takes in its place ([MS-ADTS]
//! §3.1.1.3.1.2.4).

use data_encoding::HEXLOWER_PERMISSIVE;

use super::Code;
use super::name::Name;
use super::tree::{Entry, Tree};
use super::wire::Outcome;
use crate::directory::Sid;

/// The entry of a name, or of a `<GUID=…>`, `<SID=…>` or `<WKGUID=…,…>`.
///
/// # Errors
/// It is not there, or is no name.
pub fn find<'t>(text: &str, tree: &'t Tree) -> Result<&'t Entry, Outcome> {
    let Some(inner) = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'))
    else {
        let name = Name::parse(text).map_err(|error| {
            let message = format!("0000208F: NameErr: problem 2006 (BAD_NAME), {error}");
            Outcome::new(Code::INVALID_DN_SYNTAX, message)
        })?;
        return tree.find(&name).ok_or_else(|| missing(tree.nearest(&name)));
    };
    other_form(inner, tree).ok_or_else(|| missing(None))
}

fn other_form<'t>(form: &str, tree: &'t Tree) -> Option<&'t Entry> {
    let (kind, value) = form.split_once('=')?;
    match kind.to_ascii_uppercase().as_str() {
        "GUID" => by_value(tree, "objectGUID", &guid(value)?),
        "SID" => {
            let sid: Option<Sid> = value.parse().ok();
            let bytes = sid.map(|sid| sid.to_bytes());
            by_value(tree, "objectSid", &bytes.or_else(|| hexadecimal(value))?)
        }
        "WKGUID" => {
            let (guid, place) = value.split_once(',')?;
            let domain = tree.find(&Name::parse(place).ok()?)?;
            let known = domain.get("wellKnownObjects").iter();
            known
                .filter_map(|known| std::str::from_utf8(known).ok())
                .filter_map(|known| known.strip_prefix("B:32:")?.split_once(':'))
                .find(|(known, _)| known.eq_ignore_ascii_case(guid))
                .and_then(|(_, name)| tree.find(&Name::parse(name).ok()?))
        }
        _ => None,
    }
}

fn by_value<'t>(tree: &'t Tree, attribute: &str, value: &[u8]) -> Option<&'t Entry> {
    let mut entries = tree.entries().iter();
    entries.find(|entry| entry.get(attribute).iter().any(|own| own == value))
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()
}

/// Bytes in hexadecimal, or the form with dashes, whose first three parts are numbers ([MS-DTYP]
/// §2.3.4.3).
fn guid(text: &str) -> Option<Vec<u8>> {
    if !text.contains('-') {
        return hexadecimal(text);
    }
    let parts: Option<Vec<Vec<u8>>> = text.split('-').map(hexadecimal).collect();
    let mut parts = parts?;
    if parts.len() != 5 {
        return None;
    }
    for number in parts.iter_mut().take(3) {
        number.reverse();
    }
    Some(parts.concat())
}

fn missing(nearest: Option<&Entry>) -> Outcome {
    let matched = nearest.map(|entry| entry.name.to_string());
    let matched = matched.unwrap_or_default();
    Outcome {
        code: Code::NO_SUCH_OBJECT,
        message: format!(
            "0000208D: NameErr: DSID-03100241, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'{matched}'\n"
        ),
        matched,
    }
}
