//! Calls of procedures ([MS-TDS] §2.2.6.6).

use super::read::Reader;
use super::transaction::skip_headers;
use super::types::TypeInfo;
use super::value::Value;
use super::{Malformed, Version};

/// Most parameters of a call, as in SQL Server.
const MOST: usize = 2100;

/// The procedures that have a number.
const NUMBERED: [(u16, &str); 15] = [
    (1, "sp_cursor"),
    (2, "sp_cursoropen"),
    (3, "sp_cursorprepare"),
    (4, "sp_cursorexecute"),
    (5, "sp_cursorprepexec"),
    (6, "sp_cursorunprepare"),
    (7, "sp_cursorfetch"),
    (8, "sp_cursoroption"),
    (9, "sp_cursorclose"),
    (10, "sp_executesql"),
    (11, "sp_prepare"),
    (12, "sp_execute"),
    (13, "sp_prepexec"),
    (14, "sp_prepexecrpc"),
    (15, "sp_unprepare"),
];

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name with the `@`; empty: by its place.
    pub name: String,
    /// Its value comes back.
    pub output: bool,
    /// Its type.
    pub kind: TypeInfo,
    /// Its value.
    pub value: Value,
}

/// A call.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The procedure, in small letters.
    pub procedure: String,
    /// What it gets.
    pub parameters: Vec<Parameter>,
}

/// The calls of a message.
///
/// # Errors
/// What is malformed in them.
pub fn calls(body: &[u8], version: Version) -> Result<Vec<Call>, Malformed> {
    let mut reader = Reader(skip_headers(body, version)?);
    let separators: &[u8] = if version < Version::V7_2 {
        &[0x80]
    } else {
        &[0xFF, 0xFE]
    };
    let mut calls = Vec::new();
    let mut count = 0;
    while !reader.0.is_empty() {
        let procedure = procedure(&mut reader)?;
        reader.u16()?;
        let mut parameters = Vec::new();
        while let Some(next) = reader.0.first() {
            if separators.contains(next) {
                reader.u8()?;
                break;
            }
            count += 1;
            if count > MOST {
                return Err(Malformed("too many parameters"));
            }
            let name = reader.b_varchar()?;
            let status = reader.u8()?;
            let kind = TypeInfo::read(&mut reader)?;
            let value = Value::read(&mut reader, &kind)?;
            parameters.push(Parameter {
                name,
                output: status & 1 != 0,
                kind,
                value,
            });
        }
        calls.push(Call {
            procedure,
            parameters,
        });
    }
    if calls.is_empty() {
        return Err(Malformed("a call of nothing"));
    }
    Ok(calls)
}

fn procedure(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    match reader.u16()? {
        0xFFFF => {
            let number = reader.u16()?;
            let known = NUMBERED.iter().find(|(known, _)| *known == number);
            known
                .map(|(_, name)| (*name).to_owned())
                .ok_or(Malformed("a procedure that has no such number"))
        }
        units => Ok(reader.utf16(units.into())?.to_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tds::types::Type;

    #[test]
    fn a_call_with_parameters_is_read() {
        let mut body = vec![4, 0, 0, 0, 0xFF, 0xFF, 10, 0, 0, 0];
        let text = Type::Text {
            unicode: true,
            longest: None,
        };
        for (name, kind, value) in [
            ("", text, Value::Text("SELECT @p1".into())),
            ("@p1", Type::Int(4), Value::Int(7)),
        ] {
            body.push(name.len() as u8);
            body.extend(name.encode_utf16().flat_map(u16::to_le_bytes));
            body.push(0);
            kind.write(&mut body);
            value.write(kind, &mut body);
        }
        let calls = calls(&body, Version::V7_4).expect("well formed");
        assert_eq!(calls[0].procedure, "sp_executesql");
        assert_eq!(calls[0].parameters[1].name, "@p1");
        assert_eq!(calls[0].parameters[1].value, Value::Int(7));
        for cut in 0..body.len() {
            let _ = super::calls(&body[..cut], Version::V7_4);
        }
    }
}
