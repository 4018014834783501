//! Plain text.

use hyper::body::Bytes;

use super::{Block, Page, Unreadable};

/// Longest text that is shown, in bytes.
const LONGEST: usize = 1 << 20;
const BYTE_ORDER_MARK: &str = "\u{feff}";

pub(super) fn read(content: &[u8]) -> Result<Vec<Page>, Unreadable> {
    Ok(vec![Page {
        title: None,
        blocks: vec![Block::Plain(plain(content)?)],
    }])
}

/// The text, with `\n` between lines: UTF-8, UTF-16 with a byte order mark, else ISO 8859-1.
///
/// # Errors
/// It is too long.
pub fn plain(content: &[u8]) -> Result<String, Unreadable> {
    if content.len() > LONGEST {
        return Err(Unreadable::TooLarge("it has more than 1 MB of text".into()));
    }
    let units = |order: fn([u8; 2]) -> u16| {
        let units = content[2..]
            .chunks_exact(2)
            .map(|unit| order([unit[0], unit[1]]));
        char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect::<String>()
    };
    let text = match content {
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        _ => match std::str::from_utf8(content) {
            Ok(text) => text.trim_start_matches(BYTE_ORDER_MARK).to_owned(),
            Err(_) => content.iter().map(|byte| char::from(*byte)).collect(),
        },
    };
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}

/// Text from a form, in the manner of the document it replaces: its ends of lines, its byte order
/// mark. It is UTF-8 in any case.
pub fn edited(before: &[u8], text: &str) -> Bytes {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let text = if before.windows(2).any(|pair| pair == b"\r\n") {
        text.replace('\n', "\r\n")
    } else {
        text
    };
    if before.starts_with(BYTE_ORDER_MARK.as_bytes()) {
        return Bytes::from(format!("{BYTE_ORDER_MARK}{text}"));
    }
    Bytes::from(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_its_encoding_and_written_in_its_manner() {
        assert_eq!(plain(b"\xef\xbb\xbfa\r\nb").as_deref(), Ok("a\nb"));
        assert_eq!(plain(b"\xff\xfea\0b\0").as_deref(), Ok("ab"));
        assert_eq!(plain(b"caf\xe9").as_deref(), Ok("caf\u{e9}"));
        assert_eq!(edited(b"a\nb", "x\r\ny"), "x\ny");
        assert_eq!(edited(b"a\r\nb", "x\r\ny"), "x\r\ny");
        assert_eq!(edited(b"\xef\xbb\xbfa", "x"), "\u{feff}x");
    }
}
