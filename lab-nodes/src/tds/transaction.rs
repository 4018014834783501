//! Headers before a request ([MS-TDS] §2.2.5.3) and requests to the transaction manager
//! ([MS-TDS] §2.2.6.9).

use super::read::Reader;
use super::{Malformed, Version};

/// Takes the headers off a request: transaction, notifications, trace. One connection has one
/// transaction here, so they say nothing that is not known.
///
/// # Errors
/// They are longer than the message.
pub(super) fn skip_headers<'a>(body: &'a [u8], version: Version) -> Result<&'a [u8], Malformed> {
    if version < Version::V7_2 {
        return Ok(body);
    }
    let length = Reader(body).length()?;
    if length < 4 {
        return Err(Malformed("headers shorter than their length"));
    }
    body.get(length..)
        .ok_or(Malformed("headers longer than the message"))
}

/// The text of a batch.
///
/// # Errors
/// Its headers are malformed, or half a character ends it.
pub fn batch(body: &[u8], version: Version) -> Result<String, Malformed> {
    let text = skip_headers(body, version)?;
    if text.len() % 2 != 0 {
        return Err(Malformed("half a character"));
    }
    Ok(super::read::utf16(text))
}

/// What is asked of the transaction manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Begin.
    Begin,
    /// Commit, and begin another one at once.
    Commit {
        /// Another one.
        and_begin: bool,
    },
    /// Roll back, to a savepoint or to the beginning, and begin another one at once.
    RollBack {
        /// The savepoint.
        to: Option<String>,
        /// Another one.
        and_begin: bool,
    },
    /// Make a savepoint.
    Save(String),
    /// Transactions over several servers.
    Distributed,
}

/// Reads a request.
///
/// # Errors
/// It is none that there is, or it is cut off.
pub fn request(body: &[u8], version: Version) -> Result<Request, Malformed> {
    let mut reader = Reader(skip_headers(body, version)?);
    let kind = reader.u16()?;
    // The length of a name counts bytes.
    let name = |reader: &mut Reader<'_>| -> Result<String, Malformed> {
        let length = reader.u8()?;
        Ok(super::read::utf16(reader.take(length.into())?))
    };
    Ok(match kind {
        0 | 1 => Request::Distributed,
        5 => Request::Begin,
        7 => {
            name(&mut reader)?;
            Request::Commit {
                and_begin: reader.u8()? & 1 != 0,
            }
        }
        8 => {
            let to = name(&mut reader)?;
            Request::RollBack {
                and_begin: reader.u8()? & 1 != 0,
                to: (!to.is_empty()).then_some(to),
            }
        }
        9 => Request::Save(name(&mut reader)?),
        _ => return Err(Malformed("an unknown request to the transaction manager")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_read_behind_its_headers() {
        let mut body = vec![
            22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0,
        ];
        body.extend("SELECT 1".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(batch(&body, Version::V7_4).as_deref(), Ok("SELECT 1"));
        assert_eq!(batch(&body[22..], Version::V7_1).as_deref(), Ok("SELECT 1"));
        assert!(batch(&[3, 0, 0, 0], Version::V7_4).is_err());
        assert!(batch(&[255, 255, 255, 255], Version::V7_4).is_err());
    }

    #[test]
    fn requests_to_the_transaction_manager_are_read() {
        let read = |bytes: &[u8]| request(&[&[4, 0, 0, 0], bytes].concat(), Version::V7_4);
        assert_eq!(read(&[5, 0, 2, 0]), Ok(Request::Begin));
        assert_eq!(
            read(&[7, 0, 0, 0]),
            Ok(Request::Commit { and_begin: false })
        );
        let to = Request::RollBack {
            to: Some("a".into()),
            and_begin: false,
        };
        assert_eq!(read(&[8, 0, 2, b'a', 0, 0]), Ok(to));
        assert!(read(&[77, 0]).is_err() && read(&[7, 0]).is_err());
    }
}
