//! Functions of Transact-SQL that SQLite does not have.

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, Error, Result};

use crate::tds::calendar::{DAY, Moment, date_of, day_of};
use crate::tds::value::guid_text;

/// Begins the message of an error that has a number of SQL Server's.
pub(super) const NUMBERED: &str = "tsql";

/// Adds them to a connection.
///
/// # Errors
/// What SQLite says.
pub(super) fn register(connection: &Connection) -> Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let other = FunctionFlags::SQLITE_UTF8;
    for (name, digits) in [
        ("getdate", 3),
        ("getutcdate", 3),
        ("sysdatetime", 7),
        ("sysutcdatetime", 7),
    ] {
        connection.create_scalar_function(name, 0, other, move |_| {
            Ok(Moment::of_unix(lab_core::observe::now()).text(digits))
        })?;
    }
    connection.create_scalar_function("newid", 0, other, |_| new_id())?;
    connection.create_scalar_function("len", 1, pure, |context| {
        let length = |text: String| text.trim_end_matches(' ').encode_utf16().count() as i64;
        Ok(text(context, 0).map(length))
    })?;
    connection.create_scalar_function("datalength", 1, pure, |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Null => None,
            ValueRef::Blob(bytes) => Some(bytes.len() as i64),
            ValueRef::Integer(_) => Some(4),
            ValueRef::Real(_) => Some(8),
            ValueRef::Text(_) => text(context, 0).map(|t| 2 * t.encode_utf16().count() as i64),
        })
    })?;
    connection.create_scalar_function("left_text", 2, pure, |context| {
        let count = count(context, 1)?;
        Ok(text(context, 0).map(|text| text.chars().take(count).collect::<String>()))
    })?;
    connection.create_scalar_function("right_text", 2, pure, |context| {
        let count = count(context, 1)?;
        let right = |text: String| {
            let skipped = text.chars().count().saturating_sub(count);
            text.chars().skip(skipped).collect::<String>()
        };
        Ok(text(context, 0).map(right))
    })?;
    connection.create_scalar_function("charindex", 2, pure, |context| {
        let (Some(part), Some(whole)) = (text(context, 0), text(context, 1)) else {
            return Ok(None);
        };
        let (part, whole) = (part.to_lowercase(), whole.to_lowercase());
        let at = whole.find(&part);
        Ok(Some(
            at.map_or(0, |at| whole[..at].chars().count() as i64 + 1),
        ))
    })?;
    connection.create_scalar_function("reverse", 1, pure, |context| {
        Ok(text(context, 0).map(|text| text.chars().rev().collect::<String>()))
    })?;
    connection.create_scalar_function("bare_name", 1, pure, |context| {
        let bare = |name: String| {
            let last = name.rsplit('.').next().unwrap_or_default();
            last.trim_matches(['[', ']', '"']).to_owned()
        };
        Ok(text(context, 0).map(bare))
    })?;
    connection.create_scalar_function("to_int", 1, pure, to_int)?;
    connection.create_scalar_function("to_date", 1, pure, |context| {
        Ok(moment(context, 0)?.map(|moment| moment.text(0)[..10].to_owned()))
    })?;
    connection.create_scalar_function("to_time", 1, pure, |context| {
        Ok(moment(context, 0)?.map(|moment| moment.text(7)))
    })?;
    for (name, part) in [("year", "year"), ("month", "month"), ("day", "day")] {
        connection.create_scalar_function(name, 1, pure, move |context| {
            moment(context, 0)?
                .map(|moment| date_part(part, moment))
                .transpose()
        })?;
    }
    connection.create_scalar_function("datepart", 2, pure, |context| {
        let part = text(context, 0).unwrap_or_default();
        moment(context, 1)?
            .map(|moment| date_part(&part, moment))
            .transpose()
    })?;
    connection.create_scalar_function("dateadd", 3, pure, date_add)?;
    connection.create_scalar_function("datediff", 3, pure, date_difference)?;
    // The order of text, in which case does not matter.
    connection.create_collation("NOCASE", |a: &str, b: &str| {
        let folded = |text: &str| -> Vec<char> {
            text.trim_end_matches(' ')
                .chars()
                .flat_map(char::to_lowercase)
                .collect()
        };
        folded(a).cmp(&folded(b))
    })
}

fn numbered(number: u32, text: &str) -> Error {
    Error::UserFunctionError(format!("{NUMBERED} {number}: {text}").into())
}

/// A random GUID (RFC 9562, version 4).
fn new_id() -> Result<String> {
    use ring::rand::SecureRandom;
    let mut guid = [0; 16];
    ring::rand::SystemRandom::new()
        .fill(&mut guid)
        .map_err(|_| numbered(50000, "The system has no random numbers."))?;
    guid[6] = guid[6] & 0x0F | 0x40;
    guid[8] = guid[8] & 0x3F | 0x80;
    Ok(guid_text(&guid))
}

fn text(context: &Context<'_>, at: usize) -> Option<String> {
    Some(match context.get_raw(at) {
        ValueRef::Null => return None,
        ValueRef::Integer(value) => value.to_string(),
        ValueRef::Real(value) => value.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    })
}

fn count(context: &Context<'_>, at: usize) -> Result<usize> {
    let count: i64 = context.get(at)?;
    usize::try_from(count).map_err(|_| {
        numbered(
            537,
            "Invalid length parameter passed to the LEFT or SUBSTRING function.",
        )
    })
}

fn to_int(context: &mut Context<'_>) -> Result<Value> {
    Ok(match context.get_raw(0) {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Integer(value),
        // Towards zero, as SQL Server does.
        ValueRef::Real(value) => Value::Integer(value as i64),
        ValueRef::Text(_) | ValueRef::Blob(_) => {
            let text = text(context, 0).unwrap_or_default();
            let trimmed = text.trim();
            let number = if trimmed.is_empty() {
                Ok(0)
            } else {
                trimmed.parse()
            };
            Value::Integer(number.map_err(|_| {
                let text = format!(
                    "Conversion failed when converting the nvarchar value '{text}' to data type int."
                );
                numbered(245, &text)
            })?)
        }
    })
}

fn moment(context: &Context<'_>, at: usize) -> Result<Option<Moment>> {
    let Some(text) = text(context, at) else {
        return Ok(None);
    };
    let read = Moment::parse(&text);
    read.map(Some).ok_or_else(|| {
        numbered(
            241,
            "Conversion failed when converting date and/or time from character string.",
        )
    })
}

/// Units of 100 ns in a part of a day.
fn unit(part: &str) -> Option<i128> {
    let second = 10_000_000;
    Some(match part {
        "week" | "wk" | "ww" => 7 * i128::from(DAY),
        "day" | "dd" | "d" | "dayofyear" | "dy" => i128::from(DAY),
        "hour" | "hh" => 3600 * second,
        "minute" | "mi" | "n" => 60 * second,
        "second" | "ss" | "s" => second,
        "millisecond" | "ms" => second / 1000,
        "microsecond" | "mcs" => second / 1_000_000,
        _ => return None,
    })
}

fn unknown(part: &str, function: &str) -> Error {
    numbered(
        155,
        &format!("'{part}' is not a recognized {function} option."),
    )
}

fn months(part: &str) -> Option<i64> {
    Some(match part {
        "year" | "yy" | "yyyy" => 12,
        "quarter" | "qq" | "q" => 3,
        "month" | "mm" | "m" => 1,
        _ => return None,
    })
}

fn date_part(part: &str, moment: Moment) -> Result<i64> {
    let (year, month, day) = date_of(moment.day);
    let seconds = (moment.time / 10_000_000) as i64;
    Ok(match part {
        "year" | "yy" | "yyyy" => year,
        "quarter" | "qq" | "q" => i64::from(month - 1) / 3 + 1,
        "month" | "mm" | "m" => month.into(),
        "day" | "dd" | "d" => day.into(),
        "dayofyear" | "dy" => day_of(year, 1, 1).map_or(0, |first| moment.day - first + 1),
        // Sunday is the first; 0001-01-01 was a Monday.
        "weekday" | "dw" => (moment.day + 1) % 7 + 1,
        "hour" | "hh" => seconds / 3600,
        "minute" | "mi" | "n" => seconds / 60 % 60,
        "second" | "ss" | "s" => seconds % 60,
        "millisecond" | "ms" => (moment.time / 10_000 % 1000) as i64,
        _ => return Err(unknown(part, "datepart")),
    })
}

fn date_add(context: &mut Context<'_>) -> Result<Option<String>> {
    let part = text(context, 0).unwrap_or_default();
    let count: Option<i64> = context.get(1)?;
    let (Some(count), Some(moment)) = (count, moment(context, 2)?) else {
        return Ok(None);
    };
    let overflow = || {
        numbered(
            517,
            "Adding a value to a 'datetime' column caused an overflow.",
        )
    };
    let added = if let Some(months) = months(&part) {
        let (year, month, day) = date_of(moment.day);
        let all = count
            .checked_mul(months)
            .and_then(|added| added.checked_add(year * 12 + i64::from(month) - 1))
            .ok_or_else(overflow)?;
        let (year, month) = (all.div_euclid(12), all.rem_euclid(12) as u32 + 1);
        // The last day of a shorter month.
        let day = (1..=day).rev().find_map(|day| day_of(year, month, day));
        day.map(|day| Moment { day, ..moment })
    } else {
        let unit = unit(&part).ok_or_else(|| unknown(&part, "dateadd"))?;
        moment.shifted(unit * i128::from(count))
    };
    let digits = if text(context, 2).is_some_and(|text| text.len() > 23) {
        7
    } else {
        3
    };
    Ok(Some(added.ok_or_else(overflow)?.text(digits)))
}

/// How many borders of a part lie between two points in time.
fn date_difference(context: &mut Context<'_>) -> Result<Option<i64>> {
    let part = text(context, 0).unwrap_or_default();
    let (Some(from), Some(to)) = (moment(context, 1)?, moment(context, 2)?) else {
        return Ok(None);
    };
    if let Some(months) = months(&part) {
        let count = |moment: Moment| {
            let (year, month, _) = date_of(moment.day);
            (year * 12 + i64::from(month) - 1) / months
        };
        return Ok(Some(count(to) - count(from)));
    }
    let unit = unit(&part).ok_or_else(|| unknown(&part, "datediff"))?;
    let all = |m: Moment| i128::from(m.day) * i128::from(DAY) + i128::from(m.time);
    let count = all(to).div_euclid(unit) - all(from).div_euclid(unit);
    Ok(Some(i64::try_from(count).unwrap_or(i64::MAX)))
}
