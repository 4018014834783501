//! What members of the cache say to each other. Each frame is a length (four bytes, big-endian), a
//! byte that says what it is, and that. Every question is answered by one frame, in order, but
//! [`Frame::Everything`], which is answered by any number of [`Frame::Entry`] and [`Frame::Done`].

use super::store::{Entry, LONGEST_VALUE, State};
use super::token::Key;

/// Longest frame, in bytes, without its length.
pub const LONGEST_FRAME: usize = 1 + 32 + 8 + 1 + LONGEST_VALUE;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A question: take this in. Also the answer to the two below.
    Entry(Key, Entry),
    /// A question: what is known of this key?
    Ask(Key),
    /// A question: what is known at all?
    Everything,
    /// The answer: it was taken in, nothing is known, or that was all.
    Done,
    /// The answer to an entry: something else is held there, or it is gone.
    Conflict,
}

/// Why a frame can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Its length.
    #[error("a frame of {0} bytes is too long")]
    TooLong(usize),
    /// What it is.
    #[error("nothing is known of frames of the kind {0}")]
    Kind(u8),
    /// It ends too early, or too late.
    #[error("a frame of the kind {0} has another length")]
    Length(u8),
}

impl Frame {
    /// With its length.
    pub fn write(&self) -> Vec<u8> {
        let mut out = vec![0; 4];
        match self {
            Self::Entry(key, entry) => {
                out.push(1);
                out.extend_from_slice(&key.0);
                out.extend_from_slice(&entry.until.to_be_bytes());
                match &entry.state {
                    State::Held(value) => {
                        out.push(1);
                        out.extend_from_slice(value);
                    }
                    State::Claimed(by) => {
                        out.push(2);
                        out.extend_from_slice(by);
                    }
                    State::Gone => out.push(0),
                }
            }
            Self::Ask(key) => {
                out.push(2);
                out.extend_from_slice(&key.0);
            }
            Self::Everything => out.push(3),
            Self::Done => out.push(4),
            Self::Conflict => out.push(5),
        }
        let length = u32::try_from(out.len() - 4).unwrap_or(u32::MAX);
        out[..4].copy_from_slice(&length.to_be_bytes());
        out
    }

    /// How long a frame is, from its first four bytes.
    ///
    /// # Errors
    /// Longer than any frame.
    pub fn length(head: [u8; 4]) -> Result<usize, WireError> {
        let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
        if length > LONGEST_FRAME {
            return Err(WireError::TooLong(length));
        }
        Ok(length)
    }

    /// From what follows the length.
    ///
    /// # Errors
    /// It is none.
    pub fn read(bytes: &[u8]) -> Result<Self, WireError> {
        let (&kind, rest) = bytes.split_first().ok_or(WireError::Length(0))?;
        match kind {
            1 => entry(rest).ok_or(WireError::Length(kind)),
            2 => match rest.try_into() {
                Ok(key) => Ok(Self::Ask(Key(key))),
                Err(_) => Err(WireError::Length(kind)),
            },
            3..=5 if !rest.is_empty() => Err(WireError::Length(kind)),
            3 => Ok(Self::Everything),
            4 => Ok(Self::Done),
            5 => Ok(Self::Conflict),
            other => Err(WireError::Kind(other)),
        }
    }
}

fn entry(bytes: &[u8]) -> Option<Frame> {
    let (key, rest) = bytes.split_first_chunk::<32>()?;
    let (until, rest) = rest.split_first_chunk::<8>()?;
    let state = match rest.split_first()? {
        (0, []) => State::Gone,
        (1, value) if value.len() <= LONGEST_VALUE => State::Held(value.to_vec()),
        (2, by) => State::Claimed(by.try_into().ok()?),
        _ => return None,
    };
    let until = u64::from_be_bytes(*until);
    Some(Frame::Entry(Key(*key), Entry { state, until }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_read_as_they_were_written() {
        let key = Key::of(b"test", b"a");
        let states = [
            State::Gone,
            State::Claimed([7; 16]),
            State::Held(vec![]),
            State::Held(vec![7; LONGEST_VALUE]),
        ];
        let entries = states.map(|state| Frame::Entry(key, Entry { state, until: 77 }));
        let rest = [
            Frame::Ask(key),
            Frame::Everything,
            Frame::Done,
            Frame::Conflict,
        ];
        for frame in entries.into_iter().chain(rest) {
            let bytes = frame.write();
            let head = bytes.first_chunk::<4>().expect("a head");
            assert_eq!(Frame::length(*head), Ok(bytes.len() - 4));
            assert_eq!(Frame::read(&bytes[4..]), Ok(frame));
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(
            Frame::length([0xff; 4]),
            Err(WireError::TooLong(0xffff_ffff))
        );
        assert_eq!(Frame::read(&[]), Err(WireError::Length(0)));
        assert_eq!(Frame::read(&[9]), Err(WireError::Kind(9)));
        for broken in [&[1][..], &[1; 41], &[2; 32], &[4, 0], &[3, 3]] {
            assert_eq!(
                Frame::read(broken),
                Err(WireError::Length(broken[0])),
                "{broken:?}"
            );
        }
        let mut gone = Frame::Entry(
            Key([0; 32]),
            Entry {
                state: State::Gone,
                until: 1,
            },
        )
        .write();
        gone.push(0);
        assert_eq!(Frame::read(&gone[4..]), Err(WireError::Length(1)));
    }
}
