//! Where a message ends, known before it is there.

use super::Malformed;
use super::ber::{SEQUENCE, header};

/// A message that is longer than its receiver takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a message of {length} bytes, where {limit} are taken")]
pub struct TooLong {
    /// Its length in bytes.
    pub length: usize,
    /// The limit.
    pub limit: usize,
}

/// Length in bytes of the message that `bytes` begin with, header included; none while too few bytes
/// are there to know it.
///
/// # Errors
/// They begin no message; the inner one: it is longer than `limit`.
pub fn length(bytes: &[u8], limit: usize) -> Result<Result<Option<usize>, TooLong>, Malformed> {
    if bytes.first().is_some_and(|tag| *tag != SEQUENCE) {
        return Err(Malformed("a message does not begin with a sequence"));
    }
    let Some((_, header, content)) = header(bytes)? else {
        return Ok(Ok(None));
    };
    let length = header.saturating_add(content);
    if length > limit {
        return Ok(Err(TooLong { length, limit }));
    }
    Ok(Ok(Some(length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_known_before_the_message_is_there() {
        assert_eq!(length(&[], 100), Ok(Ok(None)));
        assert_eq!(length(&[0x30], 100), Ok(Ok(None)));
        assert_eq!(length(&[0x30, 0x05], 100), Ok(Ok(Some(7))));
        assert_eq!(length(&[0x30, 0x82, 0x01], 1000), Ok(Ok(None)));
        assert_eq!(length(&[0x30, 0x82, 0x01, 0x00], 1000), Ok(Ok(Some(260))));
        let long = length(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff], 1000);
        assert!(matches!(long, Ok(Err(_))), "{long:?}");
        assert!(length(b"GET / HTTP/1.1\r\n", 1000).is_err());
    }
}
