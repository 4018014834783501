//! PRELOGIN: the first message of both sides ([MS-TDS] §2.2.6.5).

use super::Malformed;
use super::read::Reader;

const VERSION: u8 = 0;
const ENCRYPTION: u8 = 1;
const INSTANCE: u8 = 2;
const THREAD: u8 = 3;
const MARS: u8 = 4;
const FEDERATED: u8 = 6;
const TERMINATOR: u8 = 0xFF;

/// What a side can or will encrypt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// The login only.
    Off,
    /// Everything.
    On,
    /// Nothing can be.
    NotSupported,
    /// Everything must be.
    Required,
}

impl Encryption {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            // The bit 0x80 says that the client shows a certificate of its own.
            0 | 0x80 => Self::Off,
            1 | 0x81 => Self::On,
            2 => Self::NotSupported,
            3 | 0x83 => Self::Required,
            _ => return None,
        })
    }

    fn byte(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::On => 1,
            Self::NotSupported => 2,
            Self::Required => 3,
        }
    }

    /// What a server that wants everything encrypted answers to it; none: the connection ends.
    pub fn required(self) -> Option<Self> {
        match self {
            Self::Off => Some(Self::Required),
            Self::On | Self::Required => Some(Self::On),
            Self::NotSupported => None,
        }
    }
}

/// The message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prelogin {
    /// Major, minor, build (two bytes, big-endian), sub-build of the sender.
    pub version: [u8; 6],
    /// Encryption.
    pub encryption: Encryption,
    /// The client asks whether it must bring a token of an identity provider.
    pub federated: bool,
}

impl Prelogin {
    /// Reads it.
    ///
    /// # Errors
    /// It has no VERSION first, an option lies outside of it, or encryption is none that there is.
    pub fn read(body: &[u8]) -> Result<Self, Malformed> {
        let mut table = Reader(body);
        let mut read = Self {
            version: [0; 6],
            encryption: Encryption::NotSupported,
            federated: false,
        };
        let mut first = true;
        loop {
            let token = table.u8()?;
            if token == TERMINATOR {
                break;
            }
            let offset = usize::from(u16::from_be_bytes(table.array()?));
            let length = usize::from(u16::from_be_bytes(table.array()?));
            let data = body.get(offset..).and_then(|rest| rest.get(..length));
            let data = data.ok_or(Malformed("an option that lies outside"))?;
            if first && token != VERSION {
                return Err(Malformed("a PRELOGIN without its version first"));
            }
            first = false;
            match token {
                VERSION => read.version = Reader(data).array()?,
                ENCRYPTION => {
                    read.encryption = Encryption::of(Reader(data).u8()?)
                        .ok_or(Malformed("an encryption that there is not"))?;
                }
                FEDERATED => read.federated = data.first().is_some_and(|byte| *byte != 0),
                _ => {}
            }
        }
        if first {
            return Err(Malformed("a PRELOGIN without its version first"));
        }
        Ok(read)
    }

    /// Writes it; no instance, no several results at once.
    pub fn write(&self) -> Vec<u8> {
        let encryption = [self.encryption.byte()];
        let mut options: Vec<(u8, &[u8])> = vec![
            (VERSION, &self.version),
            (ENCRYPTION, &encryption),
            (INSTANCE, &[0]),
            (THREAD, &[]),
            (MARS, &[0]),
        ];
        if self.federated {
            options.push((FEDERATED, &[0]));
        }
        let mut offset = options.len() * 5 + 1;
        let (mut table, mut data) = (Vec::new(), Vec::<u8>::new());
        for (token, value) in options {
            table.push(token);
            table.extend((offset as u16).to_be_bytes());
            table.extend((value.len() as u16).to_be_bytes());
            data.extend(value);
            offset += value.len();
        }
        table.push(TERMINATOR);
        table.extend(data);
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's message of [MS-TDS] §4.1.
    const CLIENT: [u8; 0x2f - 8 + 8] = [
        0x00, 0x00, 0x1A, 0x00, 0x06, 0x01, 0x00, 0x20, 0x00, 0x01, 0x02, 0x00, 0x21, 0x00, 0x01,
        0x03, 0x00, 0x22, 0x00, 0x04, 0x04, 0x00, 0x26, 0x00, 0x01, 0xFF, 0x09, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x01, 0x00, 0xB8, 0x0D, 0x00, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn the_example_of_the_specification_is_read() {
        let read = Prelogin::read(&CLIENT).expect("it is well formed");
        assert_eq!(read.version, [9, 0, 0, 0, 0, 0]);
        assert_eq!(read.encryption, Encryption::On);
        assert_eq!(Prelogin::read(&read.write()), Ok(read));
    }

    #[test]
    fn an_option_outside_of_the_message_is_refused() {
        assert!(Prelogin::read(&[0, 0, 6, 0, 6, 0xFF, 1, 2]).is_err());
        assert!(Prelogin::read(&[0xFF]).is_err());
        assert!(Prelogin::read(&[]).is_err());
    }
}
