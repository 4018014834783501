//! Types of columns and parameters ([MS-TDS] §2.2.5.4 to §2.2.5.6).

use super::read::Reader;
use super::{Malformed, Version};

/// Sort order of the server's text: SQL_Latin1_General_CP1_CI_AS.
pub const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];
/// Says in a length that there is none.
pub(super) const UNLIMITED: u16 = 0xFFFF;
/// Most bytes of a value that has a limit.
pub const LONGEST: u16 = 8000;

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Nothing but NULL.
    Null,
    /// An integer of 1 (unsigned), 2, 4 or 8 bytes.
    Int(u8),
    /// 0 or 1.
    Bit,
    /// A floating-point number of 4 or 8 bytes.
    Float(u8),
    /// A decimal number.
    Decimal {
        /// Digits, 1 to 38.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// An amount of 4 or 8 bytes, with four digits behind the point.
    Money(u8),
    /// A day and time from 1753 (8 bytes, 1/300 s) or 1900 (4 bytes, minutes) on.
    DateTime(u8),
    /// A day.
    Date,
    /// A time, with so many digits of the second.
    Time(u8),
    /// A day and time, with so many digits of the second.
    DateTime2(u8),
    /// The same in a time zone.
    DateTimeOffset(u8),
    /// 16 bytes that name something.
    Guid,
    /// Text.
    Text {
        /// In UTF-16; else in the code page of its collation.
        unicode: bool,
        /// Most bytes; none: 2 GiB, in pieces.
        longest: Option<u16>,
    },
    /// Bytes: the most; none: 2 GiB, in pieces.
    Binary(Option<u16>),
    /// Text of the older kind without a limit.
    LongText {
        /// In UTF-16.
        unicode: bool,
    },
    /// Bytes of the older kind without a limit.
    Image,
    /// An XML document.
    Xml,
}

/// A type as it travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeInfo {
    /// The type.
    pub kind: Type,
    /// Its values carry no length, and none is NULL.
    pub(super) fixed: bool,
    /// Its text is UTF-8.
    pub(super) utf8: bool,
}

impl TypeInfo {
    /// Reads it.
    ///
    /// # Errors
    /// A type that there is not, or a length that it can't have.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let code = reader.u8()?;
        let fixed = |kind| {
            Ok(Self {
                kind,
                fixed: true,
                utf8: false,
            })
        };
        let mut utf8 = false;
        let kind = match code {
            0x1F => return fixed(Type::Null),
            0x30 => return fixed(Type::Int(1)),
            0x32 => return fixed(Type::Bit),
            0x34 => return fixed(Type::Int(2)),
            0x38 => return fixed(Type::Int(4)),
            0x3A => return fixed(Type::DateTime(4)),
            0x3B => return fixed(Type::Float(4)),
            0x3C => return fixed(Type::Money(8)),
            0x3D => return fixed(Type::DateTime(8)),
            0x3E => return fixed(Type::Float(8)),
            0x7A => return fixed(Type::Money(4)),
            0x7F => return fixed(Type::Int(8)),
            0x24 => size(reader, &[16]).map(|_| Type::Guid)?,
            0x26 => Type::Int(size(reader, &[1, 2, 4, 8])?),
            0x68 => size(reader, &[1]).map(|_| Type::Bit)?,
            0x6D => Type::Float(size(reader, &[4, 8])?),
            0x6E => Type::Money(size(reader, &[4, 8])?),
            0x6F => Type::DateTime(size(reader, &[4, 8])?),
            0x37 | 0x3F | 0x6A | 0x6C => {
                reader.u8()?;
                let (precision, scale) = (reader.u8()?, reader.u8()?);
                if !(1..=38).contains(&precision) || scale > precision {
                    return Err(Malformed("a decimal type that there is not"));
                }
                Type::Decimal { precision, scale }
            }
            0x28 => Type::Date,
            0x29 => Type::Time(digits(reader)?),
            0x2A => Type::DateTime2(digits(reader)?),
            0x2B => Type::DateTimeOffset(digits(reader)?),
            0xA7 | 0xAF | 0xE7 | 0xEF => {
                let longest = limit(reader)?;
                utf8 = collation(reader)?;
                Type::Text {
                    unicode: code >= 0xE7,
                    longest,
                }
            }
            0xA5 | 0xAD => Type::Binary(limit(reader)?),
            0x23 | 0x63 => {
                reader.u32()?;
                utf8 = collation(reader)?;
                Type::LongText {
                    unicode: code == 0x63,
                }
            }
            0x22 => {
                reader.u32()?;
                Type::Image
            }
            0xF1 => {
                if reader.u8()? != 0 {
                    reader.b_varchar()?;
                    reader.b_varchar()?;
                    let units = reader.u16()?;
                    reader.utf16(units.into())?;
                }
                Type::Xml
            }
            _ => return Err(Malformed("a type that is not served here")),
        };
        Ok(Self {
            kind,
            fixed: false,
            utf8,
        })
    }
}

fn size(reader: &mut Reader<'_>, sizes: &[u8]) -> Result<u8, Malformed> {
    let size = reader.u8()?;
    let known = sizes.contains(&size);
    known.then_some(size).ok_or(Malformed("a type of no size"))
}

fn digits(reader: &mut Reader<'_>) -> Result<u8, Malformed> {
    let digits = reader.u8()?;
    let known = digits <= 7;
    known.then_some(digits).ok_or(Malformed("a time too exact"))
}

fn limit(reader: &mut Reader<'_>) -> Result<Option<u16>, Malformed> {
    match reader.u16()? {
        UNLIMITED => Ok(None),
        limit if limit <= LONGEST => Ok(Some(limit)),
        _ => Err(Malformed("a type that is too long")),
    }
}

/// Whether the text is UTF-8 ([MS-TDS] §2.2.5.1.2: the bit fUTF8).
fn collation(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    let collation: [u8; 5] = reader.array()?;
    Ok(collation[3] & 0x04 != 0)
}

impl Type {
    /// The type that a client of this version understands in its place.
    #[must_use]
    pub fn for_version(self, version: Version) -> Self {
        match self {
            Self::Date | Self::Time(_) | Self::DateTime2(_) | Self::DateTimeOffset(_)
                if version < Version::V7_3A =>
            {
                Self::Text {
                    unicode: true,
                    longest: Some(80),
                }
            }
            Self::Text {
                unicode,
                longest: None,
            } if version < Version::V7_2 => Self::LongText { unicode },
            Self::Xml if version < Version::V7_2 => Self::LongText { unicode: true },
            Self::Binary(None) if version < Version::V7_2 => Self::Image,
            other => other,
        }
    }

    /// Whether a client is told a table's name with a column of this type.
    pub(super) fn has_table(self) -> bool {
        matches!(self, Self::LongText { .. } | Self::Image)
    }

    /// Writes it, always as the type that may be NULL.
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.push(0x1F),
            Self::Int(size) => out.extend([0x26, size]),
            Self::Bit => out.extend([0x68, 1]),
            Self::Float(size) => out.extend([0x6D, size]),
            Self::Decimal { precision, scale } => out.extend([0x6C, 17, precision, scale]),
            Self::Money(size) => out.extend([0x6E, size]),
            Self::DateTime(size) => out.extend([0x6F, size]),
            Self::Date => out.push(0x28),
            Self::Time(digits) => out.extend([0x29, digits]),
            Self::DateTime2(digits) => out.extend([0x2A, digits]),
            Self::DateTimeOffset(digits) => out.extend([0x2B, digits]),
            Self::Guid => out.extend([0x24, 16]),
            Self::Text { unicode, longest } => {
                out.push(if unicode { 0xE7 } else { 0xA7 });
                out.extend(longest.unwrap_or(UNLIMITED).to_le_bytes());
                out.extend(COLLATION);
            }
            Self::Binary(longest) => {
                out.push(0xA5);
                out.extend(longest.unwrap_or(UNLIMITED).to_le_bytes());
            }
            Self::LongText { unicode } => {
                out.push(if unicode { 0x63 } else { 0x23 });
                out.extend(i32::MAX.to_le_bytes());
                out.extend(COLLATION);
            }
            Self::Image => {
                out.push(0x22);
                out.extend(i32::MAX.to_le_bytes());
            }
            Self::Xml => out.extend([0xF1, 0]),
        }
    }
}
