//! The three messages ([MS-NLMP] §2.2.1): bytes ↔ types. Reading is total.

use super::av::AvPairs;
use super::flags::Flags;

/// What each message begins with.
pub const SIGNATURE: &[u8; 8] = b"NTLMSSP\0";
/// Longest message that is read, in bytes.
pub const LONGEST: usize = 16 << 10;
/// Where the MIC stands in the third message, where it has one.
const MIC: std::ops::Range<usize> = 72..88;
/// Our version (§2.2.2.10): Windows Server 2012 R2, for logs of clients; the last byte is that of NTLM.
const VERSION: [u8; 8] = [6, 3, 0x80, 0x25, 0, 0, 0, 15];

/// Why bytes are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// It breaks off, or points outside of itself.
    #[error("{0} breaks off")]
    Short(&'static str),
    /// It does not begin as one.
    #[error("it is no NTLM message")]
    NotNtlm,
    /// It is one of the other two.
    #[error("it is the NTLM message {seen} in place of {expected}")]
    Kind {
        /// The number that was expected.
        expected: u32,
        /// The one that is there.
        seen: u32,
    },
    /// It is longer than [`LONGEST`].
    #[error("the NTLM message is longer than {LONGEST} bytes")]
    Long,
    /// A name is no text.
    #[error("{0} is no text")]
    Text(&'static str),
}

/// The first message: what the client can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// That.
    pub flags: Flags,
}

/// The second: the server's challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// What was agreed on.
    pub flags: Flags,
    /// Who asks: the domain, or the server where it has none.
    pub target: String,
    /// Random bytes.
    pub challenge: [u8; 8],
    /// What the server says of itself, as bytes: a client sends them back.
    pub info: Vec<u8>,
    /// Version of the server's implementation.
    pub version: Option<[u8; 8]>,
}

/// The third: the client's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authenticate {
    /// What was agreed on.
    pub flags: Flags,
    /// Response with the LM hash, or LMv2; never looked at.
    pub lm: Vec<u8>,
    /// Response: NTProofStr and what it is made over.
    pub nt: Vec<u8>,
    /// Domain of the account; empty where the name says it, or nothing.
    pub domain: String,
    /// The account.
    pub user: String,
    /// Name of the client's machine.
    pub workstation: String,
    /// The session key, encrypted by the one of the response.
    pub session_key: Vec<u8>,
    /// Version of the client's implementation.
    pub version: Option<[u8; 8]>,
    /// Integrity of all three messages; there is no room for one where it is absent.
    pub mic: Option<[u8; 16]>,
}

/// The number of a message: 1, 2 or 3.
///
/// # Errors
/// It is none.
pub fn kind(bytes: &[u8]) -> Result<u32, WireError> {
    let rest = bytes.strip_prefix(SIGNATURE).ok_or(WireError::NotNtlm)?;
    let number = rest.first_chunk().ok_or(WireError::Short("the message"))?;
    match u32::from_le_bytes(*number) {
        known @ 1..=3 => Ok(known),
        _ => Err(WireError::NotNtlm),
    }
}

impl Negotiate {
    /// Reads it. What it says of domain and machine is left alone, as Windows leaves it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let message = Reader::of(bytes, 1)?;
        Ok(Self {
            flags: message.flags(12)?,
        })
    }

    /// The bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut bytes = head(1);
        bytes.extend(self.flags.0.to_le_bytes());
        // Neither domain nor machine is told.
        bytes.extend([0; 16]);
        if self.flags.has(Flags::VERSION) {
            bytes.extend(VERSION);
        }
        bytes
    }
}

impl Challenge {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let message = Reader::of(bytes, 2)?;
        let flags = message.flags(20)?;
        // The last fields came with later versions.
        let info = match bytes.len() {
            ..48 => Vec::new(),
            _ => message.field(40, "the target information")?.to_vec(),
        };
        Ok(Self {
            flags,
            target: message.text(12, flags, "the target's name")?,
            challenge: *message.array(24, "the challenge")?,
            info,
            version: message.version(48, flags),
        })
    }

    /// The bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut payload = Payload::behind(56);
        let target = payload.add(&text(&self.target, self.flags));
        let info = payload.add(&self.info);
        let mut bytes = head(2);
        bytes.extend(target);
        bytes.extend(self.flags.0.to_le_bytes());
        bytes.extend(self.challenge);
        bytes.extend([0; 8]);
        bytes.extend(info);
        bytes.extend(self.version.unwrap_or_default());
        bytes.extend(payload.bytes);
        bytes
    }

    /// Our version, for [`Flags::VERSION`].
    pub fn own_version() -> [u8; 8] {
        VERSION
    }
}

impl Authenticate {
    /// Reads it.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let message = Reader::of(bytes, 3)?;
        // Clients older than the flags leave out the last fields of the head.
        let flags = message.flags(60).unwrap_or(Flags::OEM);
        let session_key = match message.payload_begins() {
            ..60 => Vec::new(),
            _ => message.field(52, "the session key")?.to_vec(),
        };
        Ok(Self {
            flags,
            lm: message.field(12, "the LM response")?.to_vec(),
            nt: message.field(20, "the response")?.to_vec(),
            domain: message.text(28, flags, "the domain")?,
            user: message.text(36, flags, "the user's name")?,
            workstation: message.text(44, flags, "the machine's name")?,
            session_key,
            version: message.version(64, flags),
            mic: message.mic(),
        })
    }

    /// The bytes.
    pub fn write(&self) -> Vec<u8> {
        let mut payload = Payload::behind(if self.mic.is_some() {
            MIC.end
        } else {
            MIC.start
        });
        let domain = payload.add(&text(&self.domain, self.flags));
        let user = payload.add(&text(&self.user, self.flags));
        let workstation = payload.add(&text(&self.workstation, self.flags));
        let lm = payload.add(&self.lm);
        let nt = payload.add(&self.nt);
        let session_key = payload.add(&self.session_key);
        let mut bytes = head(3);
        for field in [lm, nt, domain, user, workstation, session_key] {
            bytes.extend(field);
        }
        bytes.extend(self.flags.0.to_le_bytes());
        bytes.extend(self.version.unwrap_or_default());
        bytes.extend(self.mic.into_iter().flatten());
        bytes.extend(payload.bytes);
        bytes
    }

    /// The same bytes with a MIC of zeros, over which the MIC is made (§3.1.5.1.2).
    pub fn without_mic(bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        if let Some(mic) = bytes.get_mut(MIC) {
            mic.fill(0);
        }
        bytes
    }

    /// Puts a MIC into the bytes of a message that has room for one.
    pub fn put_mic(bytes: &mut [u8], mic: [u8; 16]) {
        if let Some(room) = bytes.get_mut(MIC) {
            room.copy_from_slice(&mic);
        }
    }
}

/// An NTLMv2 response (§2.2.2.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// NTProofStr.
    pub proof: [u8; 16],
    /// What it is made over, besides the challenge.
    pub temp: &'a [u8],
    /// What the client says back and of itself.
    pub pairs: AvPairs,
}

impl<'a> Response<'a> {
    /// Reads it.
    ///
    /// # Errors
    /// It breaks off.
    pub fn read(bytes: &'a [u8]) -> Result<Self, WireError> {
        let broken = WireError::Short("the response");
        let (proof, temp) = bytes.split_first_chunk().ok_or(broken.clone())?;
        // Versions, reserved bytes, time, the client's challenge, reserved bytes.
        let pairs = temp.get(28..).ok_or(broken)?;
        Ok(Self {
            proof: *proof,
            temp,
            pairs: AvPairs::read(pairs)?,
        })
    }
}

/// A text in UTF-16.
pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn text(text: &str, flags: Flags) -> Vec<u8> {
    match flags.has(Flags::UNICODE) {
        true => utf16(text),
        false => text.as_bytes().to_vec(),
    }
}

fn head(kind: u32) -> Vec<u8> {
    let mut bytes = SIGNATURE.to_vec();
    bytes.extend(kind.to_le_bytes());
    bytes
}

struct Payload {
    bytes: Vec<u8>,
    behind: usize,
}

impl Payload {
    fn behind(head: usize) -> Self {
        Self {
            bytes: Vec::new(),
            behind: head,
        }
    }

    /// Adds something, and gives the field that points to it.
    fn add(&mut self, what: &[u8]) -> [u8; 8] {
        let at = u32::try_from(self.behind + self.bytes.len()).unwrap_or(u32::MAX);
        let length = u16::try_from(what.len()).unwrap_or(u16::MAX);
        self.bytes.extend(&what[..usize::from(length)]);
        let mut field = [0; 8];
        field[..2].copy_from_slice(&length.to_le_bytes());
        field[2..4].copy_from_slice(&length.to_le_bytes());
        field[4..].copy_from_slice(&at.to_le_bytes());
        field
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn of(bytes: &'a [u8], expected: u32) -> Result<Self, WireError> {
        let seen = kind(bytes)?;
        if seen != expected {
            return Err(WireError::Kind { expected, seen });
        }
        if bytes.len() > LONGEST {
            return Err(WireError::Long);
        }
        Ok(Self(bytes))
    }

    fn array<const N: usize>(
        &self,
        at: usize,
        what: &'static str,
    ) -> Result<&'a [u8; N], WireError> {
        let from = self.0.get(at..).unwrap_or_default();
        from.first_chunk().ok_or(WireError::Short(what))
    }

    fn flags(&self, at: usize) -> Result<Flags, WireError> {
        Ok(Flags(u32::from_le_bytes(*self.array(at, "the message")?)))
    }

    /// Length and place of what a field points to.
    fn pointer(&self, at: usize) -> Option<(usize, usize)> {
        let field: &[u8; 8] = self.array(at, "").ok()?;
        let length = u16::from_le_bytes([field[0], field[1]]);
        let place = u32::from_le_bytes([field[4], field[5], field[6], field[7]]);
        Some((usize::from(length), usize::try_from(place).ok()?))
    }

    fn field(&self, at: usize, what: &'static str) -> Result<&'a [u8], WireError> {
        let (length, place) = self.pointer(at).ok_or(WireError::Short(what))?;
        if length == 0 {
            return Ok(&[]);
        }
        let end = place.checked_add(length).ok_or(WireError::Short(what))?;
        self.0.get(place..end).ok_or(WireError::Short(what))
    }

    fn text(&self, at: usize, flags: Flags, what: &'static str) -> Result<String, WireError> {
        let bytes = self.field(at, what)?;
        if !flags.has(Flags::UNICODE) {
            // The client's code page: Latin 1 is the one that most have.
            return Ok(bytes.iter().map(|&byte| char::from(byte)).collect());
        }
        let (units, odd) = bytes.as_chunks::<2>();
        let units: Vec<u16> = units.iter().map(|&unit| u16::from_le_bytes(unit)).collect();
        match (String::from_utf16(&units), odd) {
            (Ok(text), []) => Ok(text),
            _ => Err(WireError::Text(what)),
        }
    }

    fn version(&self, at: usize, flags: Flags) -> Option<[u8; 8]> {
        let said = flags.has(Flags::VERSION).then(|| self.array(at, "").ok());
        said.flatten().copied()
    }

    /// Where the first thing stands that a field of the third message points to.
    fn payload_begins(&self) -> usize {
        let fields = [12, 20, 28, 36, 44].into_iter();
        let places = fields.filter_map(|at| self.pointer(at));
        let used = places.filter(|(length, _)| *length > 0);
        used.map(|(_, place)| place)
            .min()
            .unwrap_or_default()
            .min(self.0.len())
    }

    /// Older clients leave no room for one, some fill the room with zeros.
    fn mic(&self) -> Option<[u8; 16]> {
        if self.payload_begins() < MIC.end {
            return None;
        }
        let mic: &[u8; 16] = self.array(MIC.start, "").ok()?;
        (mic != &[0; 16]).then_some(*mic)
    }
}
