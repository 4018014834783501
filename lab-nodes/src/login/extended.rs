//! An extended operation of LDAP on the wire (RFC 4511 §4.1.1, §4.12): bytes ↔ types, as far as the
//! one that asks needs it.

/// Longest message that is read, in bytes.
pub const LONGEST: usize = 128 << 10;

/// Class and number of the operations.
const REQUEST: u8 = 0x77;
const RESPONSE: u8 = 0x78;
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Of which request.
    pub id: u32,
    /// Result code; 0: success.
    pub code: u8,
    /// Diagnostic message.
    pub message: String,
    /// Its value.
    pub value: Option<Vec<u8>>,
}

/// A request.
pub fn request(id: u32, oid: &str, value: &[u8]) -> Vec<u8> {
    let mut operation = element(0x80, oid.as_bytes());
    operation.extend(element(0x81, value));
    let mut message = number(id);
    message.extend(element(REQUEST, &operation));
    element(SEQUENCE, &message)
}

/// The length of the message that these bytes begin with. None: more are needed to say.
///
/// # Errors
/// They are no LDAP message, or one that is too long; a sentence.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, &'static str> {
    if bytes.first().is_some_and(|first| *first != SEQUENCE) {
        return Err("the answer is no LDAP message");
    }
    match head(bytes) {
        Ok(Some((_, from, length))) if from + length > LONGEST => Err("the answer is too long"),
        Ok(found) => Ok(found.map(|(_, from, length)| from + length)),
        Err(()) => Err("the answer's length is written in more bytes than LDAP has"),
    }
}

/// Reads an answer. None: it is none.
pub fn read(bytes: &[u8]) -> Option<Response> {
    let (message, _) = take(bytes, SEQUENCE)?;
    let (id, rest) = take(message, INTEGER)?;
    let (operation, _) = take(rest, RESPONSE)?;
    let (code, rest) = take(operation, ENUMERATED)?;
    let (_, rest) = take(rest, OCTETS)?;
    let (text, mut rest) = take(rest, OCTETS)?;
    let mut value = None;
    while let Some((tag, content, after)) = any(rest) {
        if tag == 0x8b {
            value = Some(content.to_vec());
        }
        rest = after;
    }
    Some(Response {
        id: id
            .iter()
            .take(5)
            .fold(0, |id, byte| (id << 8) | u32::from(*byte)),
        code: *code.last()?,
        message: String::from_utf8_lossy(text).into_owned(),
        value,
    })
}

fn number(number: u32) -> Vec<u8> {
    // A zero before it keeps it positive.
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(3);
    let mut content = vec![0];
    content.extend(&bytes[zeros..]);
    if content[1] < 0x80 {
        content.remove(0);
    }
    element(INTEGER, &content)
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    match u8::try_from(content.len()) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            bytes.push(0x84);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// Tag, where the content begins, how long it is. None: more bytes are needed.
fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, ()> {
    let [tag, first, rest @ ..] = bytes else {
        return Ok(None);
    };
    if *first < 0x80 {
        return Ok(Some((*tag, 2, usize::from(*first))));
    }
    let count = usize::from(first & 0x7f);
    if !(1..=4).contains(&count) {
        return Err(());
    }
    let Some(digits) = rest.get(..count) else {
        return Ok(None);
    };
    let length = digits
        .iter()
        .fold(0_usize, |length, digit| (length << 8) | usize::from(*digit));
    Ok(Some((*tag, 2 + count, length)))
}

/// The next element: tag, content, what follows.
fn any(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, from, length) = head(bytes).ok()??;
    let content = bytes.get(from..from.checked_add(length)?)?;
    Some((tag, content, &bytes[from + length..]))
}

fn take(bytes: &[u8], expected: u8) -> Option<(&[u8], &[u8])> {
    let (tag, content, rest) = any(bytes)?;
    (tag == expected).then_some((content, rest))
}

#[cfg(test)]
mod tests {
    use ldap3_proto::proto::{LdapExtendedRequest, LdapMsg, LdapOp};

    use super::*;

    fn parsed(bytes: &[u8]) -> LdapMsg {
        let mut parser = ldap3_lber_parser();
        parser(bytes)
    }

    fn ldap3_lber_parser() -> impl FnMut(&[u8]) -> LdapMsg {
        use tokio_util::bytes::BytesMut;
        use tokio_util::codec::Decoder;
        |bytes| {
            let mut buffer = BytesMut::from(bytes);
            let mut codec = ldap3_proto::LdapCodec::new(Some(LONGEST), None);
            codec
                .decode(&mut buffer)
                .expect("a message")
                .expect("all of it")
        }
    }

    #[test]
    fn requests_are_read_by_others() {
        for (id, length) in [(1, 3), (127, 200), (128, 70_000), (0x80_0000, 0)] {
            let value = vec![7; length];
            let message = parsed(&request(id, "2.25.1", &value));
            let expected = LdapExtendedRequest {
                name: "2.25.1".into(),
                value: Some(value),
            };
            assert_eq!(message.msgid, id as i32);
            assert_eq!(message.op, LdapOp::ExtendedRequest(expected));
        }
    }
}
