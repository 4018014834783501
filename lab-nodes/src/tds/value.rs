//! Values, as they travel in rows and parameters ([MS-TDS] §2.2.5.5).

use super::Malformed;
use super::calendar::{DAY, DAYS_TO_1900, LAST_DAY, Moment};
use super::read::{Reader, utf16};
use super::types::{Type, TypeInfo, UNLIMITED};

/// Units of 100 ns in a three-hundredth of a second, times three.
const TICK_3: u64 = 100_000;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// 0 or 1.
    Bit(bool),
    /// An integer.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// A decimal number: its digits, and how many of them stand behind the point.
    Decimal(i128, u8),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A GUID, in the order in which it is written.
    Guid([u8; 16]),
    /// A day since 0001-01-01.
    Date(i64),
    /// Units of 100 ns since midnight.
    Time(u64),
    /// A day and time.
    Moment(Moment),
}

impl Value {
    /// Reads a value of this type.
    ///
    /// # Errors
    /// It is cut off, or none of the type.
    pub(super) fn read(reader: &mut Reader<'_>, info: &TypeInfo) -> Result<Self, Malformed> {
        match info.kind {
            Type::Null => Ok(Self::Null),
            Type::Text { longest: None, .. } | Type::Binary(None) | Type::Xml => {
                let Some(bytes) = pieces(reader)? else {
                    return Ok(Self::Null);
                };
                Ok(match info.kind {
                    Type::Binary(_) => Self::Bytes(bytes),
                    Type::Text { unicode: false, .. } => Self::Text(narrow(&bytes, info.utf8)),
                    _ => Self::Text(utf16(&bytes)),
                })
            }
            Type::Text { unicode, .. } => {
                let length = reader.u16()?;
                if length == UNLIMITED {
                    return Ok(Self::Null);
                }
                let bytes = reader.take(length.into())?;
                Ok(Self::Text(if unicode {
                    utf16(bytes)
                } else {
                    narrow(bytes, info.utf8)
                }))
            }
            Type::Binary(Some(_)) => match reader.u16()? {
                UNLIMITED => Ok(Self::Null),
                length => Ok(Self::Bytes(reader.take(length.into())?.to_vec())),
            },
            // In parameters they have their length alone before them.
            Type::LongText { unicode } => {
                let length = reader.u32()?;
                if length == u32::MAX {
                    return Ok(Self::Null);
                }
                let bytes = reader.take(usize::try_from(length).unwrap_or(usize::MAX))?;
                Ok(Self::Text(if unicode {
                    utf16(bytes)
                } else {
                    narrow(bytes, info.utf8)
                }))
            }
            Type::Image => match reader.u32()? {
                u32::MAX => Ok(Self::Null),
                length => {
                    let length = usize::try_from(length).unwrap_or(usize::MAX);
                    Ok(Self::Bytes(reader.take(length)?.to_vec()))
                }
            },
            kind => Self::read_short(reader, kind, info.fixed),
        }
    }

    /// One whose length is a byte.
    fn read_short(reader: &mut Reader<'_>, kind: Type, fixed: bool) -> Result<Self, Malformed> {
        let length = match kind {
            Type::Int(size) | Type::Float(size) | Type::Money(size) | Type::DateTime(size)
                if fixed =>
            {
                size
            }
            Type::Bit if fixed => 1,
            _ => reader.u8()?,
        };
        if length == 0 {
            return Ok(Self::Null);
        }
        let mut data = Reader(reader.take(length.into())?);
        let value = match (kind, length) {
            (Type::Int(_), 1) => Self::Int(data.u8()?.into()),
            (Type::Int(_), 2) => Self::Int(i16::from_le_bytes(data.array()?).into()),
            (Type::Int(_), 4) => Self::Int(i32::from_le_bytes(data.array()?).into()),
            (Type::Int(_), 8) => Self::Int(i64::from_le_bytes(data.array()?)),
            (Type::Bit, 1) => Self::Bit(data.u8()? != 0),
            (Type::Float(_), 4) => Self::Float(f32::from_le_bytes(data.array()?).into()),
            (Type::Float(_), 8) => Self::Float(f64::from_le_bytes(data.array()?)),
            (Type::Guid, 16) => Self::Guid(swapped(data.array()?)),
            (Type::Decimal { scale, .. }, 5 | 9 | 13 | 17) => {
                let positive = data.u8()? != 0;
                let mut bytes = [0; 16];
                bytes[..data.0.len()].copy_from_slice(data.0);
                let digits = i128::try_from(u128::from_le_bytes(bytes))
                    .map_err(|_| Malformed("a decimal number too large"))?;
                Self::Decimal(if positive { digits } else { -digits }, scale)
            }
            (Type::Money(_), 4) => Self::Decimal(i32::from_le_bytes(data.array()?).into(), 4),
            (Type::Money(_), 8) => {
                let high = i64::from(i32::from_le_bytes(data.array()?)) << 32;
                Self::Decimal((high | i64::from(data.u32()?)).into(), 4)
            }
            (Type::DateTime(_), 4) => {
                let (day, minutes) = (data.u16()?, data.u16()?);
                moment(
                    DAYS_TO_1900 + i64::from(day),
                    u64::from(minutes) * 600_000_000,
                )?
            }
            (Type::DateTime(_), 8) => {
                let day = DAYS_TO_1900 + i64::from(i32::from_le_bytes(data.array()?));
                // To the millisecond, as the type is written: 1/300 s is 3.33 ms.
                let ticks = u64::from(data.u32()?);
                moment(day, (ticks * 10 + 1) / 3 * 10_000)?
            }
            (Type::Date, 3) => Self::Date(day(data.unsigned(3)?)?),
            (Type::Time(digits), 3..=5) => Self::Time(time(data.unsigned(length.into())?, digits)?),
            (Type::DateTime2(digits), 6..=8) => {
                let time = time(data.unsigned(usize::from(length) - 3)?, digits)?;
                moment(day(data.unsigned(3)?)?, time)?
            }
            // In UTC, with the minutes to the zone behind it.
            (Type::DateTimeOffset(digits), 8..=10) => {
                let time = time(data.unsigned(usize::from(length) - 5)?, digits)?;
                moment(day(data.unsigned(3)?)?, time)?
            }
            _ => return Err(Malformed("a value of another length than its type")),
        };
        Ok(value)
    }

    /// Writes it as a value of this type; what does not fit is NULL.
    pub(super) fn write(&self, kind: Type, out: &mut Vec<u8>) {
        match kind {
            Type::Null => {}
            Type::Text { unicode, longest } => {
                let bytes = self.as_text().map(|text| encode(&text, unicode));
                write_long(out, bytes.as_deref(), longest);
            }
            Type::Binary(longest) => match self {
                Self::Bytes(bytes) => write_long(out, Some(bytes), longest),
                _ => write_long(out, None, longest),
            },
            Type::Xml => {
                let bytes = self.as_text().map(|text| encode(&text, true));
                write_long(out, bytes.as_deref(), None);
            }
            Type::LongText { unicode } => {
                let bytes = self.as_text().map(|text| encode(&text, unicode));
                write_pointed(out, bytes.as_deref());
            }
            Type::Image => match self {
                Self::Bytes(bytes) => write_pointed(out, Some(bytes)),
                _ => write_pointed(out, None),
            },
            kind => {
                let at = out.len();
                out.push(0);
                self.write_short(kind, out);
                out[at] = u8::try_from(out.len() - at - 1).unwrap_or(0);
            }
        }
    }

    fn write_short(&self, kind: Type, out: &mut Vec<u8>) {
        match (kind, self) {
            (Type::Int(size), Self::Int(value)) => {
                out.extend(&value.to_le_bytes()[..usize::from(size.min(8))]);
            }
            (Type::Bit, Self::Bit(value)) => out.push(u8::from(*value)),
            (Type::Float(4), Self::Float(value)) => out.extend((*value as f32).to_le_bytes()),
            (Type::Float(_), Self::Float(value)) => out.extend(value.to_le_bytes()),
            (Type::Decimal { .. }, Self::Decimal(digits, _)) => {
                out.push(u8::from(*digits >= 0));
                out.extend(digits.unsigned_abs().to_le_bytes());
            }
            (Type::Money(4), Self::Decimal(digits, _)) => {
                out.extend((*digits as i32).to_le_bytes());
            }
            (Type::Money(_), Self::Decimal(digits, _)) => {
                let digits = *digits as i64;
                out.extend(((digits >> 32) as i32).to_le_bytes());
                out.extend((digits as u32).to_le_bytes());
            }
            (Type::DateTime(4), Self::Moment(moment)) => {
                let day = (moment.day - DAYS_TO_1900).clamp(0, u16::MAX.into());
                out.extend((day as u16).to_le_bytes());
                out.extend(((moment.time / 600_000_000) as u16).to_le_bytes());
            }
            (Type::DateTime(_), Self::Moment(moment)) => {
                let ticks = (moment.time * 3 + TICK_3 / 2) / TICK_3;
                out.extend(((moment.day - DAYS_TO_1900) as i32).to_le_bytes());
                out.extend((ticks as u32).to_le_bytes());
            }
            (Type::Date, Self::Date(day)) => write_day(out, *day),
            (Type::Date, Self::Moment(moment)) => write_day(out, moment.day),
            (Type::Time(digits), Self::Time(time)) => write_time(out, *time, digits),
            (Type::Time(digits), Self::Moment(moment)) => write_time(out, moment.time, digits),
            (Type::DateTime2(digits), Self::Moment(moment)) => {
                write_time(out, moment.time, digits);
                write_day(out, moment.day);
            }
            (Type::DateTimeOffset(digits), Self::Moment(moment)) => {
                write_time(out, moment.time, digits);
                write_day(out, moment.day);
                out.extend([0, 0]);
            }
            (Type::Guid, Self::Guid(guid)) => out.extend(swapped(*guid)),
            _ => {}
        }
    }

    /// As text; none is none.
    pub fn as_text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Bit(value) => u8::from(*value).to_string(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => value.to_string(),
            Self::Decimal(digits, scale) => decimal_text(*digits, *scale),
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Guid(guid) => guid_text(guid),
            Self::Date(day) => super::calendar::date_text(*day),
            Self::Time(time) => super::calendar::time_text(*time, 7),
            Self::Moment(moment) => moment.text(7),
        })
    }
}

/// `12.30`.
pub fn decimal_text(digits: i128, scale: u8) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    let text = format!("{:0>1$}", digits.unsigned_abs(), scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    let point = if scale > 0 { "." } else { "" };
    format!("{sign}{whole}{point}{fraction}")
}

/// A decimal number with so many digits behind the point; none for what is no number, or too large.
pub fn parse_decimal(text: &str, scale: u8) -> Option<i128> {
    let text = text.trim();
    let (negative, plain) = match text.strip_prefix('-') {
        Some(plain) => (true, plain),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let scale = usize::from(scale);
    let kept: String = fraction.chars().take(scale).collect();
    let number: i128 = format!("{whole}{kept:0<scale$}").parse().ok()?;
    let up = fraction
        .as_bytes()
        .get(scale)
        .is_some_and(|next| *next >= b'5');
    let number = number + i128::from(up);
    Some(if negative { -number } else { number })
}

/// `6F9619FF-8B86-D011-B42D-00C04FC964FF`.
pub fn guid_text(guid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in guid.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02X}"));
    }
    text
}

/// A GUID from its text.
pub fn parse_guid(text: &str) -> Option<[u8; 16]> {
    let text = text.trim_start_matches('{').trim_end_matches('}');
    let dashes = [8, 13, 18, 23];
    let bytes = text.as_bytes();
    if bytes.len() != 36 || dashes.iter().any(|at| bytes[*at] != b'-') {
        return None;
    }
    let digits: Vec<u8> = (bytes.iter().enumerate())
        .filter(|(at, _)| !dashes.contains(at))
        .map(|(_, byte)| *byte)
        .collect();
    let digits = data_encoding::HEXLOWER_PERMISSIVE.decode(&digits).ok()?;
    digits.try_into().ok()
}

/// The first three parts of a GUID travel as little-endian numbers.
fn swapped(guid: [u8; 16]) -> [u8; 16] {
    let mut swapped = guid;
    swapped[..4].reverse();
    swapped[4..6].reverse();
    swapped[6..8].reverse();
    swapped
}

fn day(day: u64) -> Result<i64, Malformed> {
    let day = i64::try_from(day).unwrap_or(i64::MAX);
    (day <= LAST_DAY)
        .then_some(day)
        .ok_or(Malformed("a day that there is not"))
}

fn time(units: u64, digits: u8) -> Result<u64, Malformed> {
    let unit = 10_u64.pow(7 - u32::from(digits.min(7)));
    let time = units.saturating_mul(unit);
    (time < DAY)
        .then_some(time)
        .ok_or(Malformed("a time that there is not"))
}

fn moment(day: i64, time: u64) -> Result<Value, Malformed> {
    if !(0..=LAST_DAY).contains(&day) || time >= DAY {
        return Err(Malformed("a point in time that there is not"));
    }
    Ok(Value::Moment(Moment { day, time }))
}

fn write_day(out: &mut Vec<u8>, day: i64) {
    out.extend(&day.clamp(0, LAST_DAY).to_le_bytes()[..3]);
}

fn write_time(out: &mut Vec<u8>, time: u64, digits: u8) {
    let unit = 10_u64.pow(7 - u32::from(digits.min(7)));
    let length = match digits {
        0..=2 => 3,
        3 | 4 => 4,
        _ => 5,
    };
    out.extend(&(time / unit).to_le_bytes()[..length]);
}

/// A value that comes in pieces ([MS-TDS] §2.2.5.2.3).
fn pieces(reader: &mut Reader<'_>) -> Result<Option<Vec<u8>>, Malformed> {
    // The whole length, if it is known, is not trusted: what is there counts.
    if reader.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut whole = Vec::new();
    loop {
        match reader.length()? {
            0 => return Ok(Some(whole)),
            length => whole.extend_from_slice(reader.take(length)?),
        }
    }
}

fn write_long(out: &mut Vec<u8>, bytes: Option<&[u8]>, longest: Option<u16>) {
    match (bytes, longest) {
        (None, None) => out.extend(u64::MAX.to_le_bytes()),
        (None, Some(_)) => out.extend(UNLIMITED.to_le_bytes()),
        (Some(bytes), None) => {
            out.extend((bytes.len() as u64).to_le_bytes());
            if !bytes.is_empty() {
                out.extend((bytes.len() as u32).to_le_bytes());
                out.extend(bytes);
            }
            out.extend(0_u32.to_le_bytes());
        }
        (Some(bytes), Some(longest)) => {
            let kept = &bytes[..bytes.len().min(longest.into())];
            out.extend((kept.len() as u16).to_le_bytes());
            out.extend(kept);
        }
    }
}

/// A value of the older kind, in a row: behind a pointer and a time stamp.
fn write_pointed(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        return out.push(0);
    };
    out.push(16);
    out.extend([0x11; 24]);
    out.extend((bytes.len() as u32).to_le_bytes());
    out.extend(bytes);
}

/// What code page 1252 has between 0x80 and 0x9F; the rest of it is Latin-1.
const CODE_PAGE: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}',
    '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

fn narrow(bytes: &[u8], utf8: bool) -> String {
    if utf8 {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let character = |byte: &u8| match byte {
        0x80..=0x9F => CODE_PAGE[usize::from(byte - 0x80)],
        other => char::from(*other),
    };
    bytes.iter().map(character).collect()
}

fn encode(text: &str, unicode: bool) -> Vec<u8> {
    if unicode {
        return text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    }
    let byte = |character: char| match u8::try_from(u32::from(character)) {
        Ok(byte) if !(0x80..=0x9F).contains(&byte) => byte,
        _ => {
            let at = CODE_PAGE.iter().position(|known| *known == character);
            at.map_or(b'?', |at| 0x80 + at as u8)
        }
    };
    text.chars().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn back(kind: Type, value: Value) {
        let mut bytes = Vec::new();
        kind.write(&mut bytes);
        value.write(kind, &mut bytes);
        let mut reader = Reader(&bytes);
        let info = TypeInfo::read(&mut reader).expect("a type");
        assert_eq!(info.kind, kind);
        assert_eq!(Value::read(&mut reader, &info), Ok(value));
        assert!(reader.0.is_empty());
    }

    #[test]
    fn values_come_back_as_they_went() {
        let moment = Moment::parse("2013-10-09 12:30:00.1230000").expect("a moment");
        for size in [2, 4, 8] {
            back(Type::Int(size), Value::Int(-3));
        }
        back(Type::Int(1), Value::Int(255));
        back(Type::Int(8), Value::Int(i64::MIN));
        back(Type::Bit, Value::Bit(true));
        back(Type::Float(8), Value::Float(0.1));
        back(Type::Money(8), Value::Decimal(-123_456, 4));
        let decimal = Type::Decimal {
            precision: 38,
            scale: 2,
        };
        back(decimal, Value::Decimal(-1230, 2));
        back(Type::DateTime(8), Value::Moment(moment));
        back(Type::DateTime2(7), Value::Moment(moment));
        back(Type::DateTimeOffset(7), Value::Moment(moment));
        back(Type::Date, Value::Date(moment.day));
        back(Type::Time(7), Value::Time(moment.time));
        back(Type::Guid, Value::Guid([7; 16]));
        for longest in [None, Some(200)] {
            for unicode in [true, false] {
                back(
                    Type::Text { unicode, longest },
                    Value::Text("Zoë – 5 €".into()),
                );
                back(Type::Text { unicode, longest }, Value::Null);
            }
            back(Type::Binary(longest), Value::Bytes(vec![0, 255]));
            back(Type::Binary(longest), Value::Bytes(Vec::new()));
            back(Type::Binary(longest), Value::Null);
        }
        back(Type::Xml, Value::Text("<a/>".into()));
        back(Type::Int(4), Value::Null);
    }

    #[test]
    fn a_guid_is_written_as_people_know_it() {
        let text = "6F9619FF-8B86-D011-B42D-00C04FC964FF";
        let guid = parse_guid(text).expect("a GUID");
        assert_eq!(guid_text(&guid), text);
        let mut bytes = Vec::new();
        Value::Guid(guid).write(Type::Guid, &mut bytes);
        assert_eq!(bytes[..5], [16, 0xFF, 0x19, 0x96, 0x6F]);
        assert_eq!(parse_guid("6F9619FF-8B86-D011-B42D-00C04FC964F"), None);
    }

    #[test]
    fn decimals_are_rounded_at_the_last_digit() {
        assert_eq!(parse_decimal("-12.345", 2), Some(-1235));
        assert_eq!(decimal_text(-1235, 2), "-12.35");
        assert_eq!(decimal_text(5, 3), "0.005");
        assert_eq!(parse_decimal("1e5", 2), None);
    }

    #[test]
    fn lengths_that_lie_are_refused_without_room_for_them() {
        let info = TypeInfo {
            kind: Type::Binary(None),
            fixed: false,
            utf8: false,
        };
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes[0] = 0xFE;
        bytes.extend(u32::MAX.to_le_bytes());
        assert!(Value::read(&mut Reader(&bytes), &info).is_err());
    }
}
