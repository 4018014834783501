//! What a server answers: a stream of tokens ([MS-TDS] §2.2.7).

use super::Version;
use super::types::{COLLATION, Type};
use super::value::Value;

/// Writes tokens as a client of a version understands them.
#[derive(Debug)]
pub struct Tokens {
    version: Version,
    /// What was written.
    pub bytes: Vec<u8>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name; empty: none.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// The server numbers its values.
    pub identity: bool,
}

/// What ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// A statement of a batch.
    Batch,
    /// A statement of a procedure.
    InProcedure,
    /// A procedure.
    Procedure,
}

/// How it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// More follows.
    pub more: bool,
    /// It failed.
    pub failed: bool,
    /// Rows that it gave or changed, where that counts.
    pub rows: Option<u64>,
    /// The client stopped it.
    pub attention: bool,
    /// The kind of statement: `0xC1` SELECT, `0xC3` INSERT, `0xC4` DELETE, `0xC5` UPDATE.
    pub command: u16,
}

/// What changed in a session, and what it is now and was before.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// The database.
    Database(&'a str, &'a str),
    /// The language.
    Language(&'a str),
    /// The size of packets.
    PacketSize(usize, usize),
    /// The sort order of text.
    Collation,
    /// A transaction has begun.
    Begun(u64),
    /// It was committed.
    Committed(u64),
    /// It was rolled back.
    RolledBack(u64),
    /// The connection is as new.
    Reset,
}

/// A message for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its number, as SQL Server numbers them.
    pub number: i32,
    /// 1, unless several places tell the same.
    pub state: u8,
    /// 0 to 10 inform; 11 to 16 are errors of the client, above that of the server.
    pub severity: u8,
    /// A sentence.
    pub text: String,
    /// Line of the batch, from 1.
    pub line: u32,
}

impl Tokens {
    /// Nothing yet.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            bytes: Vec::new(),
        }
    }

    fn u16(&mut self, value: u16) {
        self.bytes.extend(value.to_le_bytes());
    }

    fn user_type(&mut self) {
        self.u16(0);
        if self.version >= Version::V7_2 {
            self.u16(0);
        }
    }

    /// A token with its length before it, as far as 64 KiB go.
    fn sized(&mut self, token: u8, body: &[u8]) {
        let body = &body[..body.len().min(u16::MAX.into())];
        self.bytes.push(token);
        self.u16(body.len() as u16);
        self.bytes.extend(body);
    }

    /// The login held.
    pub fn login_ack(&mut self, program: &str, version: [u8; 4]) {
        let mut body = vec![1];
        body.extend(self.version.0.to_be_bytes());
        b_varchar(&mut body, program);
        body.extend(version);
        self.sized(0xAD, &body);
    }

    /// Something changed.
    pub fn change(&mut self, change: Change<'_>) {
        let mut body = Vec::new();
        match change {
            Change::Database(new, old) => {
                body.push(1);
                b_varchar(&mut body, new);
                b_varchar(&mut body, old);
            }
            Change::Language(new) => {
                body.push(2);
                b_varchar(&mut body, new);
                b_varchar(&mut body, "");
            }
            Change::PacketSize(new, old) => {
                body.push(4);
                b_varchar(&mut body, &new.to_string());
                b_varchar(&mut body, &old.to_string());
            }
            Change::Collation => {
                body.extend([7, 5]);
                body.extend(COLLATION);
                body.push(0);
            }
            Change::Begun(number) => {
                body.extend([8, 8]);
                body.extend(number.to_le_bytes());
                body.push(0);
            }
            Change::Committed(number) | Change::RolledBack(number) => {
                let committed = matches!(change, Change::Committed(_));
                body.extend([if committed { 9 } else { 10 }, 0, 8]);
                body.extend(number.to_le_bytes());
            }
            Change::Reset => body.extend([18, 0, 0]),
        }
        self.sized(0xE3, &body);
    }

    /// A message; `server` is the server's name.
    pub fn notice(&mut self, notice: &Notice, server: &str) {
        let mut body = notice.number.to_le_bytes().to_vec();
        body.extend([notice.state, notice.severity]);
        let units: Vec<u16> = notice.text.encode_utf16().take(2000).collect();
        body.extend((units.len() as u16).to_le_bytes());
        body.extend(units.into_iter().flat_map(u16::to_le_bytes));
        b_varchar(&mut body, server);
        b_varchar(&mut body, "");
        if self.version >= Version::V7_2 {
            body.extend(notice.line.to_le_bytes());
        } else {
            body.extend(u16::try_from(notice.line).unwrap_or(u16::MAX).to_le_bytes());
        }
        self.sized(if notice.severity > 10 { 0xAA } else { 0xAB }, &body);
    }

    /// The columns of rows that follow.
    pub fn columns(&mut self, columns: &[Column]) {
        self.bytes.push(0x81);
        self.u16(u16::try_from(columns.len()).unwrap_or(u16::MAX));
        for column in columns {
            self.user_type();
            self.u16(if column.identity { 0x10 } else { 0x09 });
            column.kind.write(&mut self.bytes);
            if column.kind.has_table() {
                if self.version >= Version::V7_2 {
                    self.bytes.push(0);
                } else {
                    self.u16(0);
                }
            }
            b_varchar(&mut self.bytes, &column.name);
        }
    }

    /// A row of these columns.
    pub fn row(&mut self, columns: &[Column], values: &[Value]) {
        let nulls = values.iter().filter(|value| **value == Value::Null).count();
        let compressed = nulls > 0 && self.version >= Version::V7_3B;
        self.bytes.push(if compressed { 0xD2 } else { 0xD1 });
        if compressed {
            for eight in values.chunks(8) {
                let bits = eight.iter().enumerate();
                let bits = bits.map(|(at, value)| u8::from(*value == Value::Null) << at);
                self.bytes.push(bits.fold(0, |all, bit| all | bit));
            }
        }
        for (column, value) in columns.iter().zip(values) {
            if !(compressed && *value == Value::Null) {
                value.write(column.kind, &mut self.bytes);
            }
        }
    }

    /// The columns by which rows are in order, from 1.
    pub fn order(&mut self, columns: &[u16]) {
        let body: Vec<u8> = columns.iter().flat_map(|at| at.to_le_bytes()).collect();
        self.sized(0xA9, &body);
    }

    /// What a procedure gives back.
    pub fn return_status(&mut self, status: i32) {
        self.bytes.push(0x79);
        self.bytes.extend(status.to_le_bytes());
    }

    /// The value of a parameter that comes back.
    pub fn return_value(&mut self, place: u16, name: &str, kind: Type, value: &Value) {
        self.bytes.push(0xAC);
        self.u16(place);
        b_varchar(&mut self.bytes, name);
        self.bytes.push(1);
        self.user_type();
        self.u16(0);
        kind.write(&mut self.bytes);
        value.write(kind, &mut self.bytes);
    }

    /// Something ended.
    pub fn done(&mut self, what: Done, how: Status) {
        self.bytes.push(match what {
            Done::Batch => 0xFD,
            Done::Procedure => 0xFE,
            Done::InProcedure => 0xFF,
        });
        let mut status = 0;
        for (bit, set) in [
            (0x01, how.more),
            (0x02, how.failed),
            (0x10, how.rows.is_some()),
            (0x20, how.attention),
        ] {
            if set {
                status |= bit;
            }
        }
        self.u16(status);
        self.u16(how.command);
        let rows = how.rows.unwrap_or(0);
        if self.version >= Version::V7_2 {
            self.bytes.extend(rows.to_le_bytes());
        } else {
            let rows = u32::try_from(rows).unwrap_or(u32::MAX);
            self.bytes.extend(rows.to_le_bytes());
        }
    }
}

/// A text of at most 255 code units, with its length before it.
fn b_varchar(out: &mut Vec<u8>, text: &str) {
    let units: Vec<u16> = text.encode_utf16().take(255).collect();
    out.push(units.len() as u8);
    out.extend(units.into_iter().flat_map(u16::to_le_bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_as_wide_as_the_version_has_it() {
        for (version, width) in [(Version::V7_1, 9), (Version::V7_2, 13)] {
            let mut tokens = Tokens::new(version);
            let status = Status {
                rows: Some(1),
                ..Status::default()
            };
            tokens.done(Done::Batch, status);
            assert_eq!(tokens.bytes.len(), width);
        }
    }

    #[test]
    fn rows_with_nulls_have_a_bitmap_from_7_3_on() {
        let column = |name: &str| Column {
            name: name.into(),
            kind: Type::Int(4),
            identity: false,
        };
        let columns = [column("a"), column("b")];
        let row = |version| {
            let mut tokens = Tokens::new(version);
            tokens.row(&columns, &[Value::Null, Value::Int(2)]);
            tokens.bytes
        };
        assert_eq!(row(Version::V7_4), [0xD2, 1, 4, 2, 0, 0, 0]);
        assert_eq!(row(Version::V7_3A), [0xD1, 0, 4, 2, 0, 0, 0]);
    }
}
