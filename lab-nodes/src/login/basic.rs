//! Name and password in a header field (RFC 7617).

use data_encoding::BASE64;

/// Name and password of `Basic` credentials. They are UTF-8, as the challenge says.
pub(super) fn read(credentials: &str) -> Option<(String, String)> {
    let bytes = BASE64.decode(credentials.trim().as_bytes()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}
