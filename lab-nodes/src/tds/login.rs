//! LOGIN7 ([MS-TDS] §2.2.6.4).

use super::Malformed;
use super::read::Reader;

/// Bytes of the part that has a fixed length.
const FIXED: usize = 94;
/// Longest text, in code units.
const LONGEST: usize = 128;

/// What a client says of itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// The highest version it speaks.
    pub version: u32,
    /// The packet size it wants, in bytes; 0: the server's choice.
    pub packet_size: u32,
    /// It sends a security token rather than a password.
    pub integrated: bool,
    /// The computer it runs on.
    pub host: String,
    /// Who logs in.
    pub user: String,
    /// The password.
    pub password: String,
    /// The program.
    pub program: String,
    /// The server as the client knows it.
    pub server: String,
    /// The database to begin with; empty: the default one.
    pub database: String,
    /// Extensions of the protocol that it asks for, by number.
    pub features: Vec<u8>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("database", &self.database)
            .finish_non_exhaustive()
    }
}

impl Login {
    /// Reads it.
    ///
    /// # Errors
    /// A text that lies outside or is too long, a message shorter than its fixed part.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut fixed = Reader(body.get(..FIXED).ok_or(Malformed("a LOGIN7 too short"))?);
        let length = fixed.length()?;
        let body = body
            .get(..length)
            .ok_or(Malformed("a LOGIN7 longer than its message"))?;
        let version = fixed.u32()?;
        let packet_size = fixed.u32()?;
        fixed.take(12)?;
        let flags: [u8; 4] = fixed.array()?;
        fixed.take(8)?;
        let place = |fixed: &mut Reader<'_>| -> Result<(usize, usize), Malformed> {
            Ok((fixed.u16()?.into(), fixed.u16()?.into()))
        };
        let text = |(offset, units): (usize, usize)| -> Result<&[u8], Malformed> {
            if units > LONGEST {
                return Err(Malformed("a text of LOGIN7 that is too long"));
            }
            let bytes = body.get(offset..).and_then(|rest| rest.get(..2 * units));
            bytes.ok_or(Malformed("a text of LOGIN7 that lies outside"))
        };
        let plain = |place| text(place).map(super::read::utf16);
        let host = plain(place(&mut fixed)?)?;
        let user = plain(place(&mut fixed)?)?;
        let password = text(place(&mut fixed)?)?;
        let password: Vec<u8> = password.iter().map(|byte| reveal(*byte)).collect();
        let program = plain(place(&mut fixed)?)?;
        let server = plain(place(&mut fixed)?)?;
        let extension = place(&mut fixed)?;
        let _library = plain(place(&mut fixed)?)?;
        let _language = plain(place(&mut fixed)?)?;
        let database = plain(place(&mut fixed)?)?;
        let features = if flags[3] & 0x10 != 0 {
            features(body, extension)?
        } else {
            Vec::new()
        };
        Ok(Self {
            version,
            packet_size,
            integrated: flags[1] & 0x80 != 0,
            host,
            user,
            password: super::read::utf16(&password),
            program,
            server,
            database,
            features,
        })
    }
}

/// A password is hidden from the eye alone: half bytes swapped, then turned over.
fn reveal(byte: u8) -> u8 {
    (byte ^ 0xA5).rotate_left(4)
}

/// The numbers of the features asked for ([MS-TDS] §2.2.6.4, FeatureExt).
fn features(body: &[u8], (offset, length): (usize, usize)) -> Result<Vec<u8>, Malformed> {
    let outside = Malformed("features of LOGIN7 that lie outside");
    let pointer = body.get(offset..).and_then(|rest| rest.get(..length));
    let at = Reader(pointer.ok_or(outside.clone())?).length()?;
    let mut rest = Reader(body.get(at..).ok_or(outside)?);
    let mut found = Vec::new();
    loop {
        match rest.u8()? {
            0xFF => return Ok(found),
            feature => {
                let length = rest.length()?;
                rest.take(length)?;
                found.push(feature);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(user: &str, password: &str, database: &str) -> Vec<u8> {
        let mut fixed = vec![0; FIXED];
        fixed[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes());
        let mut data = Vec::new();
        for (at, text, hidden) in [
            (40, user, false),
            (44, password, true),
            (68, database, false),
        ] {
            let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let offset = (FIXED + data.len()) as u16;
            fixed[at..at + 2].copy_from_slice(&offset.to_le_bytes());
            fixed[at + 2..at + 4].copy_from_slice(&(units.len() as u16 / 2).to_le_bytes());
            data.extend(units.iter().map(|byte| {
                if hidden {
                    byte.rotate_left(4) ^ 0xA5
                } else {
                    *byte
                }
            }));
        }
        fixed.extend(data);
        let length = fixed.len() as u32;
        fixed[..4].copy_from_slice(&length.to_le_bytes());
        fixed
    }

    #[test]
    fn a_login_is_read_and_its_password_revealed() {
        let login = Login::read(&message("sa", "Passw0rd!", "content")).expect("well formed");
        assert_eq!(login.user, "sa");
        assert_eq!(login.password, "Passw0rd!");
        assert_eq!(login.database, "content");
        assert!(!format!("{login:?}").contains("Passw0rd"));
    }

    #[test]
    fn the_hidden_password_of_the_specification_is_revealed() {
        // [MS-TDS] §4.2: the empty password has no bytes; `A` is 0x41 0x00.
        assert_eq!([0xB1, 0xA5].map(reveal), [0x41, 0x00]);
    }

    #[test]
    fn no_cut_of_a_login_is_read_outside() {
        let whole = message("sa", "x", "content");
        for length in 0..whole.len() {
            assert!(Login::read(&whole[..length]).is_err());
        }
    }
}
