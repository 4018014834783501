//! Values and rows.

use std::sync::Arc;

use tiberius::{ColumnData, Query};

use crate::tds::calendar::{DAYS_TO_1900, Moment, date_text, time_text};
use crate::tds::value::decimal_text;

/// A value, as parameter or in a row. What SQL Server has besides comes as text: a point in time as
/// `2013-10-09 12:30:00.1234567`, a GUID in capitals, a decimal number with its point.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// An integer; a bit is 0 or 1.
    Int(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row of a result.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    names: Arc<[String]>,
    values: Vec<Value>,
}

impl Row {
    /// The value of a column; case does not matter. None: there is no such column.
    pub fn get(&self, column: &str) -> Option<&Value> {
        let at = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(column))?;
        self.values.get(at)
    }

    /// The value of a column by its place, from 0.
    pub fn at(&self, place: usize) -> Option<&Value> {
        self.values.get(place)
    }

    /// The text of a column; none: it is NULL or no text.
    pub fn text(&self, column: &str) -> Option<&str> {
        match self.get(column) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The integer of a column; none: it is NULL or no integer.
    pub fn int(&self, column: &str) -> Option<i64> {
        match self.get(column) {
            Some(Value::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The bytes of a column; none: it is NULL or has none.
    pub fn bytes(&self, column: &str) -> Option<&[u8]> {
        match self.get(column) {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

/// Rows as tiberius has them.
pub(super) fn rows(rows: Vec<tiberius::Row>) -> Vec<Row> {
    let names: Arc<[String]> = rows.first().map_or_else(Arc::default, |first| {
        first
            .columns()
            .iter()
            .map(|column| column.name().to_owned())
            .collect()
    });
    let row = |row: tiberius::Row| Row {
        names: names.clone(),
        values: row.cells().map(|(_, cell)| value(cell)).collect(),
    };
    rows.into_iter().map(row).collect()
}

/// A statement with its parameters, `@p1` the first.
pub(super) fn query<'q>(sql: &'q str, parameters: &[Value]) -> Query<'q> {
    let mut query = Query::new(sql);
    for parameter in parameters {
        match parameter.clone() {
            Value::Null => query.bind(Option::<String>::None),
            Value::Int(value) => query.bind(value),
            Value::Float(value) => query.bind(value),
            Value::Text(text) => query.bind(text),
            Value::Bytes(bytes) => query.bind(bytes),
        }
    }
    query
}

fn value(cell: &ColumnData<'_>) -> Value {
    let int = |value: Option<i64>| value.map_or(Value::Null, Value::Int);
    let text = |text: Option<String>| text.map_or(Value::Null, Value::Text);
    match cell {
        ColumnData::U8(value) => int(value.map(i64::from)),
        ColumnData::I16(value) => int(value.map(i64::from)),
        ColumnData::I32(value) => int(value.map(i64::from)),
        ColumnData::I64(value) => int(*value),
        ColumnData::Bit(value) => int(value.map(i64::from)),
        ColumnData::F32(value) => value.map_or(Value::Null, |value| Value::Float(value.into())),
        ColumnData::F64(value) => value.map_or(Value::Null, Value::Float),
        ColumnData::String(value) => text(value.as_ref().map(|text| text.to_string())),
        ColumnData::Xml(value) => text(value.as_ref().map(|xml| xml.to_string())),
        ColumnData::Guid(value) => text(value.map(|guid| guid.to_string().to_uppercase())),
        ColumnData::Binary(value) => {
            (value.as_ref()).map_or(Value::Null, |bytes| Value::Bytes(bytes.to_vec()))
        }
        ColumnData::Numeric(value) => {
            text(value.map(|number| decimal_text(number.value(), number.scale())))
        }
        ColumnData::DateTime(value) => text(value.map(|at| {
            // To the millisecond, as the type is written: 1/300 s is 3.33 ms.
            let time = (u64::from(at.seconds_fragments()) * 10 + 1) / 3 * 10_000;
            moment(DAYS_TO_1900 + i64::from(at.days()), time)
        })),
        ColumnData::SmallDateTime(value) => text(value.map(|at| {
            let time = u64::from(at.seconds_fragments()) * 600_000_000;
            moment(DAYS_TO_1900 + i64::from(at.days()), time)
        })),
        ColumnData::Time(value) => text(value.map(|time| time_text(units(time), 7))),
        ColumnData::Date(value) => text(value.map(|date| date_text(date.days().into()))),
        ColumnData::DateTime2(value) => {
            text(value.map(|at| moment(at.date().days().into(), units(at.time()))))
        }
        ColumnData::DateTimeOffset(value) => text(value.map(|at| {
            let at = at.datetime2();
            moment(at.date().days().into(), units(at.time()))
        })),
    }
}

/// Units of 100 ns since midnight.
fn units(time: tiberius::time::Time) -> u64 {
    let missing = 7_u32.saturating_sub(time.scale().into());
    time.increments().saturating_mul(10_u64.pow(missing))
}

fn moment(day: i64, time: u64) -> String {
    Moment { day, time }.text(7)
}
