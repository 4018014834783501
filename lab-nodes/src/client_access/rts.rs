//! Control PDUs of RPC over HTTP ([MS-RPCH] §2.2.3): bytes ↔ types.

/// Length of the header: that of all PDUs of RPC, flags and number of commands.
const HEADER: usize = 20;
/// `PTYPE` of a control PDU.
const PTYPE: u8 = 20;
/// Most commands of a PDU that is read; the specified ones have at most 10.
const MOST: u16 = 16;

/// A control PDU ([MS-RPCH] §2.2.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rts {
    /// RTS flags.
    pub flags: u16,
    /// Its commands, in their order.
    pub commands: Vec<Command>,
}

/// A command ([MS-RPCH] §2.2.3.5). Sizes are in bytes, times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// How much the receiver takes before it acknowledges.
    ReceiveWindowSize(u32),
    /// How long a connection may rest.
    ConnectionTimeout(u32),
    /// A virtual connection, or one of its channels.
    Cookie([u8; 16]),
    /// How many bytes a channel may carry.
    ChannelLifetime(u32),
    /// How often the client wants a sign of life.
    ClientKeepalive(u32),
    /// Of the protocol: 1.
    Version(u32),
    /// Nothing; keeps a connection open.
    Empty,
    /// Of virtual connections that belong together.
    AssociationGroupId([u8; 16]),
    /// For whom: 0 client, 1 inbound proxy, 2 server, 3 outbound proxy.
    Destination(u32),
}

/// Why bytes are no control PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRts {
    /// They end too early, or go on behind the last command.
    #[error("the length of the control PDU is wrong")]
    Length,
    /// Not version 5.0, little endian, in one fragment, without a signature.
    #[error("the header is not that of a control PDU")]
    Header,
    /// More commands than any specified PDU has.
    #[error("the control PDU has {0} commands")]
    TooMany(u16),
    /// This command is not known here.
    #[error("the control PDU has a command of type {0}")]
    Command(u32),
}

impl Rts {
    /// Reads one.
    ///
    /// # Errors
    /// It is none, or has a command that is not known here.
    pub fn read(bytes: &[u8]) -> Result<Self, BadRts> {
        let (header, mut rest) = bytes.split_first_chunk::<HEADER>().ok_or(BadRts::Length)?;
        let word = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        if header[..8] != [5, 0, PTYPE, 3, 0x10, 0, 0, 0] || word(10) != 0 {
            return Err(BadRts::Header);
        }
        if usize::from(word(8)) != bytes.len() {
            return Err(BadRts::Length);
        }
        let count = word(18);
        if count > MOST {
            return Err(BadRts::TooMany(count));
        }
        let mut commands = Vec::with_capacity(usize::from(count));
        for _ in 0..count {
            commands.push(Command::read(&mut rest)?);
        }
        if !rest.is_empty() {
            return Err(BadRts::Length);
        }
        Ok(Self {
            flags: word(16),
            commands,
        })
    }

    /// Its bytes. Commands beyond the 16th are left out.
    pub fn write(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let mut count = 0_u16;
        for command in self.commands.iter().take(usize::from(MOST)) {
            command.write(&mut body);
            count += 1;
        }
        // At most 16 commands of 20 bytes.
        let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![5, 0, PTYPE, 3, 0x10, 0, 0, 0];
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(body);
        bytes
    }
}

impl Command {
    fn read(rest: &mut &[u8]) -> Result<Self, BadRts> {
        let kind = number(rest)?;
        Ok(match kind {
            0 => Self::ReceiveWindowSize(number(rest)?),
            2 => Self::ConnectionTimeout(number(rest)?),
            3 => Self::Cookie(take(rest)?),
            4 => Self::ChannelLifetime(number(rest)?),
            5 => Self::ClientKeepalive(number(rest)?),
            6 => Self::Version(number(rest)?),
            7 => Self::Empty,
            12 => Self::AssociationGroupId(take(rest)?),
            13 => Self::Destination(number(rest)?),
            other => return Err(BadRts::Command(other)),
        })
    }

    fn write(self, into: &mut Vec<u8>) {
        let mut put = |kind: u32, value: &[u8]| {
            into.extend(kind.to_le_bytes());
            into.extend(value);
        };
        match self {
            Self::ReceiveWindowSize(size) => put(0, &size.to_le_bytes()),
            Self::ConnectionTimeout(time) => put(2, &time.to_le_bytes()),
            Self::Cookie(cookie) => put(3, &cookie),
            Self::ChannelLifetime(size) => put(4, &size.to_le_bytes()),
            Self::ClientKeepalive(time) => put(5, &time.to_le_bytes()),
            Self::Version(version) => put(6, &version.to_le_bytes()),
            Self::Empty => put(7, &[]),
            Self::AssociationGroupId(id) => put(12, &id),
            Self::Destination(whom) => put(13, &whom.to_le_bytes()),
        }
    }
}

fn number(rest: &mut &[u8]) -> Result<u32, BadRts> {
    take(rest).map(u32::from_le_bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], BadRts> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(BadRts::Length)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// [MS-RPCH] §2.2.4.2 (CONN/A1) and §2.2.4.9 (CONN/C2), with the lengths they say.
    fn specified() -> [(Rts, usize); 2] {
        let a1 = vec![
            Command::Version(1),
            Command::Cookie([1; 16]),
            Command::Cookie([2; 16]),
            Command::ReceiveWindowSize(65_536),
        ];
        let c2 = vec![
            Command::Version(1),
            Command::ReceiveWindowSize(65_536),
            Command::ConnectionTimeout(120_000),
        ];
        [(a1, 76), (c2, 44)].map(|(commands, length)| (Rts { flags: 0, commands }, length))
    }

    #[test]
    fn pdus_have_their_specified_length_and_are_read_back() {
        for (rts, length) in specified() {
            let bytes = rts.write();
            assert_eq!(bytes.len(), length);
            assert_eq!(
                bytes[8..10],
                u16::try_from(length).expect("short").to_le_bytes()
            );
            assert_eq!(Rts::read(&bytes), Ok(rts));
        }
    }

    #[test]
    fn whatever_else_comes_is_refused() {
        let [(rts, _), _] = specified();
        let bytes = rts.write();
        for end in 0..bytes.len() {
            assert!(Rts::read(&bytes[..end]).is_err(), "{end}");
        }
        let changed = |at: usize, to: u8| {
            let mut bytes = bytes.clone();
            bytes[at] = to;
            Rts::read(&bytes)
        };
        assert_eq!(changed(2, 0), Err(BadRts::Header));
        assert_eq!(changed(10, 1), Err(BadRts::Header));
        assert_eq!(changed(18, 255), Err(BadRts::TooMany(255)));
        assert_eq!(changed(18, 5), Err(BadRts::Length));
        assert_eq!(changed(18, 3), Err(BadRts::Length));
        assert_eq!(changed(20, 99), Err(BadRts::Command(99)));
    }
}
