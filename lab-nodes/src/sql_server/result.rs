//! Rows of SQLite as rows of TDS. SQLite's values have types, its columns hardly do: a column has the
//! type that its table declares, else the one that its first values have.

use rusqlite::types::{Value as Stored, ValueRef};
use rusqlite::{Rows, Statement};

use super::dialect::error;
use super::errors;
use super::sink::{Sink, Stop};
use crate::tds::Version;
use crate::tds::calendar::Moment;
use crate::tds::token::{Column, Notice};
use crate::tds::types::{LONGEST, Type};
use crate::tds::value::{Value, parse_decimal, parse_guid};

/// Most rows, and bytes of them, that are looked at before a column gets its type.
const LOOKED_AT: (usize, usize) = (256, 256 << 10);

/// Why no rows came, or no more.
pub(super) enum Trouble {
    /// It is told to the client.
    Notice(Notice),
    /// Nobody hears it.
    Stop(Stop),
}

impl From<Notice> for Trouble {
    fn from(notice: Notice) -> Self {
        Self::Notice(notice)
    }
}

/// Sends the rows of a query, of which the parameters are bound, and says how many there were.
pub(super) fn send(
    statement: &mut Statement<'_>,
    version: Version,
    line: u32,
    out: &mut Sink,
) -> Result<u64, Trouble> {
    let declared: Vec<(String, Option<Type>)> = statement
        .columns()
        .map(|column| {
            let kind = column.decl_type().and_then(self::declared);
            (name_of(column.name()), kind)
        })
        .collect();
    let width = declared.len();
    let mut rows = statement.raw_query();
    let mut first: Vec<Vec<Stored>> = Vec::new();
    let mut bytes = 0;
    let mut all = false;
    while first.len() < LOOKED_AT.0 && bytes < LOOKED_AT.1 {
        match next(&mut rows, width, line)? {
            Some(row) => {
                bytes += row.iter().map(size).sum::<usize>();
                first.push(row);
            }
            None => {
                all = true;
                break;
            }
        }
    }
    let columns: Vec<Column> = (declared.into_iter().enumerate())
        .map(|(at, (name, kind))| {
            let inferred = || infer(first.iter().map(|row| &row[at]), all);
            let kind = kind.unwrap_or_else(inferred).for_version(version);
            Column {
                name,
                kind,
                identity: false,
            }
        })
        .collect();
    out.tokens.columns(&columns);
    let mut count = 0;
    let mut send = |row: Vec<Stored>| -> Result<(), Trouble> {
        let values: Result<Vec<Value>, Notice> = (columns.iter().zip(row))
            .map(|(column, stored)| wire(stored, column, line))
            .collect();
        out.tokens.row(&columns, &values?);
        count += 1;
        out.relieve().map_err(Trouble::Stop)
    };
    for row in first {
        send(row)?;
    }
    while !all {
        match next(&mut rows, width, line)? {
            Some(row) => send(row)?,
            None => all = true,
        }
    }
    Ok(count)
}

/// A column's name. SQLite names one that has none by its expression; here it stays without.
fn name_of(given: &str) -> String {
    let expression = given.starts_with(|first: char| first.is_ascii_digit() || first == '.')
        || given.contains([
            '(', '\'', '+', '-', '*', '/', '|', '<', '>', '=', '@', '%', '&', '~',
        ])
        || given.eq_ignore_ascii_case("NULL");
    if expression {
        String::new()
    } else {
        given.to_owned()
    }
}

/// The values of a query's first row; none: it has no row.
pub(super) fn first(
    statement: &mut Statement<'_>,
    line: u32,
) -> Result<Option<Vec<Stored>>, Notice> {
    let width = statement.column_count();
    next(&mut statement.raw_query(), width, line)
}

fn next(rows: &mut Rows<'_>, width: usize, line: u32) -> Result<Option<Vec<Stored>>, Notice> {
    let trouble = |reason| errors::translate(&reason, line);
    let Some(row) = rows.next().map_err(trouble)? else {
        return Ok(None);
    };
    let value = |at| row.get_ref(at).map(owned).map_err(trouble);
    (0..width).map(value).collect::<Result<_, _>>().map(Some)
}

fn owned(value: ValueRef<'_>) -> Stored {
    match value {
        ValueRef::Null => Stored::Null,
        ValueRef::Integer(value) => Stored::Integer(value),
        ValueRef::Real(value) => Stored::Real(value),
        ValueRef::Text(text) => Stored::Text(String::from_utf8_lossy(text).into_owned()),
        ValueRef::Blob(bytes) => Stored::Blob(bytes.to_vec()),
    }
}

fn size(value: &Stored) -> usize {
    match value {
        Stored::Text(text) => text.len(),
        Stored::Blob(bytes) => bytes.len(),
        _ => 8,
    }
}

/// The type that a table declares.
fn declared(written: &str) -> Option<Type> {
    let (name, numbers) = match written.split_once('(') {
        Some((name, rest)) => (name, rest.trim_end_matches(')')),
        None => (written, ""),
    };
    let mut numbers = numbers
        .split(',')
        .map_while(|text| text.trim().parse::<u16>().ok());
    let first = numbers.next();
    let digits = first
        .and_then(|digits| u8::try_from(digits).ok())
        .filter(|d| *d <= 7);
    let text = |unicode: bool, count: Option<u16>| {
        let bytes = count.and_then(|count| count.checked_mul(1 + u16::from(unicode)));
        Type::Text {
            unicode,
            longest: bytes.filter(|bytes| *bytes <= LONGEST),
        }
    };
    let name = name.trim().to_ascii_uppercase();
    Some(match name.as_str() {
        "BIGINT" => Type::Int(8),
        "INT" => Type::Int(4),
        "SMALLINT" => Type::Int(2),
        "TINYINT" => Type::Int(1),
        "BIT" => Type::Bit,
        "FLOAT" => Type::Float(8),
        "REAL" => Type::Float(4),
        "DECIMAL" | "NUMERIC" => {
            let precision = u8::try_from(first.unwrap_or(18)).unwrap_or(38).clamp(1, 38);
            let scale = numbers
                .next()
                .and_then(|scale| u8::try_from(scale).ok())
                .unwrap_or(0);
            Type::Decimal {
                precision,
                scale: scale.min(precision),
            }
        }
        "MONEY" => Type::Money(8),
        "SMALLMONEY" => Type::Money(4),
        "NVARCHAR" | "NCHAR" => text(true, Some(first.unwrap_or(1))),
        "VARCHAR" | "CHAR" => text(false, Some(first.unwrap_or(1))),
        "NVARCHAR_MAX" | "NTEXT" | "XML" => text(true, None),
        "VARCHAR_MAX" | "TEXT" => text(false, None),
        "SYSNAME" => text(true, Some(128)),
        "VARBINARY" | "BINARY" => Type::Binary(first.filter(|count| *count <= LONGEST)),
        "VARBINARY_MAX" | "IMAGE" => Type::Binary(None),
        "UNIQUEIDENTIFIER" => Type::Guid,
        "DATE" => Type::Date,
        "TIME" => Type::Time(digits.unwrap_or(7)),
        "DATETIME" => Type::DateTime(8),
        "SMALLDATETIME" => Type::DateTime(4),
        "DATETIME2" => Type::DateTime2(digits.unwrap_or(7)),
        "DATETIMEOFFSET" => Type::DateTimeOffset(digits.unwrap_or(7)),
        _ => return None,
    })
}

/// The type of a column that no table declares, from its values: `all` of them, or the first.
fn infer<'v>(values: impl Iterator<Item = &'v Stored> + Clone, all: bool) -> Type {
    let known = values.filter(|value| **value != Stored::Null);
    let are = |fits: fn(&Stored) -> bool| known.clone().all(fits);
    let longest = |units: fn(&Stored) -> usize| known.clone().map(units).max().unwrap_or(0);
    if known.clone().next().is_none() {
        return if all {
            Type::Int(4)
        } else {
            Type::Text {
                unicode: true,
                longest: None,
            }
        };
    }
    if are(|value| matches!(value, Stored::Integer(_))) {
        let small =
            |value: &Stored| matches!(value, Stored::Integer(n) if i32::try_from(*n).is_ok());
        return if all && known.clone().all(small) {
            Type::Int(4)
        } else {
            Type::Int(8)
        };
    }
    if are(|value| matches!(value, Stored::Integer(_) | Stored::Real(_))) {
        return Type::Float(8);
    }
    if are(|value| matches!(value, Stored::Blob(_))) {
        let fits = all && longest(size) <= usize::from(LONGEST);
        return Type::Binary(fits.then_some(LONGEST));
    }
    let text = |value: &Stored| match value {
        Stored::Text(text) => text.encode_utf16().count(),
        other => size(other) * 4,
    };
    if all && are(|value| matches!(value, Stored::Text(text) if is_point_in_time(text, 23))) {
        return Type::DateTime(8);
    }
    if all && are(|value| matches!(value, Stored::Text(text) if is_point_in_time(text, 27))) {
        return Type::DateTime2(7);
    }
    if all && are(|value| matches!(value, Stored::Text(text) if is_new_id(text))) {
        return Type::Guid;
    }
    let fits = all && known.clone().map(text).max().unwrap_or(0) <= 4000;
    Type::Text {
        unicode: true,
        longest: fits.then_some(LONGEST),
    }
}

/// As `GETDATE()` and `SYSDATETIME()` write it.
fn is_point_in_time(text: &str, length: usize) -> bool {
    let plain = text.len() == length && text.as_bytes()[10] == b' ';
    plain && Moment::parse(text).is_some()
}

/// As `NEWID()` writes it.
fn is_new_id(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_lowercase())
        && text.len() == 36
        && parse_guid(text).is_some()
}

/// A value as it travels in a column.
fn wire(stored: Stored, column: &Column, line: u32) -> Result<Value, Notice> {
    if stored == Stored::Null {
        return Ok(Value::Null);
    }
    let shown = match &stored {
        Stored::Text(text) => text.chars().take(40).collect(),
        Stored::Blob(_) => "(bytes)".to_owned(),
        Stored::Integer(value) => value.to_string(),
        Stored::Real(value) => value.to_string(),
        Stored::Null => String::new(),
    };
    fitting(stored, column.kind).ok_or_else(|| {
        let text = format!(
            "Conversion failed when converting the value '{shown}' of column '{}'.",
            column.name
        );
        error(245, 16, text, line)
    })
}

fn fitting(stored: Stored, kind: Type) -> Option<Value> {
    let integer = |stored: &Stored| match stored {
        Stored::Integer(value) => Some(*value),
        Stored::Real(value) if value.fract() == 0.0 && value.abs() < 9e15 => Some(*value as i64),
        Stored::Text(text) => text.trim().parse().ok(),
        _ => None,
    };
    let text = text_of;
    Some(match kind {
        Type::Null => Value::Null,
        Type::Int(size) => {
            let value = integer(&stored)?;
            let fits = match size {
                1 => u8::try_from(value).is_ok(),
                2 => i16::try_from(value).is_ok(),
                4 => i32::try_from(value).is_ok(),
                _ => true,
            };
            return fits.then_some(Value::Int(value));
        }
        Type::Bit => Value::Bit(integer(&stored)? != 0),
        Type::Float(_) => match stored {
            Stored::Real(value) => Value::Float(value),
            Stored::Integer(value) => Value::Float(value as f64),
            Stored::Text(text) => Value::Float(text.trim().parse().ok()?),
            _ => return None,
        },
        Type::Decimal { scale, .. } => Value::Decimal(parse_decimal(&text(stored), scale)?, scale),
        Type::Money(_) => Value::Decimal(parse_decimal(&text(stored), 4)?, 4),
        Type::Date | Type::DateTime(_) | Type::DateTime2(_) | Type::DateTimeOffset(_) => {
            Value::Moment(Moment::parse(&text(stored))?)
        }
        Type::Time(_) => Value::Time(Moment::parse(&text(stored))?.time),
        Type::Guid => match stored {
            Stored::Blob(bytes) => Value::Guid(bytes.try_into().ok()?),
            other => Value::Guid(parse_guid(&text(other))?),
        },
        Type::Text { .. } | Type::LongText { .. } | Type::Xml => Value::Text(text(stored)),
        Type::Binary(_) | Type::Image => match stored {
            Stored::Blob(bytes) => Value::Bytes(bytes),
            other => Value::Bytes(text(other).into_bytes()),
        },
    })
}

/// A parameter as SQLite stores it.
pub(super) fn stored(value: Value) -> Stored {
    match value {
        Value::Null => Stored::Null,
        Value::Bit(value) => Stored::Integer(value.into()),
        Value::Int(value) => Stored::Integer(value),
        Value::Float(value) => Stored::Real(value),
        Value::Bytes(bytes) => Stored::Blob(bytes),
        Value::Text(text) => Stored::Text(text),
        other => other.as_text().map_or(Stored::Null, Stored::Text),
    }
}

/// As text; NULL is empty.
pub(super) fn text_of(stored: Stored) -> String {
    match stored {
        Stored::Text(text) => text,
        Stored::Integer(value) => value.to_string(),
        Stored::Real(value) => value.to_string(),
        Stored::Blob(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Stored::Null => String::new(),
    }
}

/// A parameter that comes back: as its type, or as text where it does not fit.
pub(super) fn returned(stored: Stored, kind: Type) -> (Type, Value) {
    if stored == Stored::Null {
        return (kind, Value::Null);
    }
    match fitting(stored.clone(), kind) {
        Some(value) => (kind, value),
        None => {
            let kind = Type::Text {
                unicode: true,
                longest: Some(LONGEST),
            };
            (kind, Value::Text(text_of(stored)))
        }
    }
}
