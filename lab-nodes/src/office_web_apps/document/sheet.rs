//! SpreadsheetML (ISO/IEC 29500-1 §18): the values of cells, sheet by sheet. Formulas are shown by
//! the values that the program which saved them computed.

use super::package::Package;
use super::xml::Element;
use super::{Block, Page, Unreadable};

/// Most columns of a sheet.
const MOST_COLUMNS: usize = 256;
/// Most cells of a file that are shown, those left empty included.
const MOST_CELLS: usize = 100_000;

pub(super) fn read(content: &[u8]) -> Result<Vec<Page>, Unreadable> {
    let mut package = Package::open(content)?;
    let workbook = package.must("xl/workbook.xml")?;
    let relations = package.relations("xl/workbook.xml")?;
    let shared: Vec<String> = match package.part("xl/sharedStrings.xml")? {
        Some(strings) => strings.children("si").map(rich).collect(),
        None => Vec::new(),
    };
    let dates = match package.part("xl/styles.xml")? {
        Some(styles) => date_styles(&styles),
        None => Vec::new(),
    };
    let mut pages = Vec::new();
    let mut cells = 0;
    let sheets = workbook.at(&["sheets"]).into_iter();
    for sheet in sheets.flat_map(|sheets| sheets.children("sheet")) {
        let part = sheet.relation().and_then(|id| relations.get(id));
        // Sheets that hold a chart alone are no worksheets.
        let Some(part) = part.filter(|part| part.contains("worksheets/")) else {
            continue;
        };
        let read = package.must(part)?;
        let rows = rows(&read, &shared, &dates, &mut cells)?;
        pages.push(Page {
            title: sheet.attribute("name").map(str::to_owned),
            blocks: vec![Block::Grid(rows)],
        });
    }
    Ok(pages)
}

/// The rows of a worksheet that have something in them; `cells` counts those of the whole file.
pub(super) fn rows(
    sheet: &Element,
    shared: &[String],
    dates: &[bool],
    cells: &mut usize,
) -> Result<Vec<(u32, Vec<String>)>, Unreadable> {
    let mut rows: Vec<(u32, Vec<String>)> = Vec::new();
    let data = sheet.at(&["sheetData"]).into_iter();
    for row in data.flat_map(|data| data.children("row")) {
        let values = row_of(row, shared, dates)?;
        *cells += values.len();
        if *cells > MOST_CELLS {
            return Err(Unreadable::TooLarge(format!(
                "it has more than {MOST_CELLS} cells"
            )));
        }
        let before = rows.last().map_or(0_u32, |(number, _)| *number);
        let number = row.attribute("r").and_then(|number| number.parse().ok());
        if values.iter().any(|value| !value.is_empty()) {
            rows.push((number.unwrap_or(before.saturating_add(1)), values));
        }
    }
    Ok(rows)
}

fn row_of(row: &Element, shared: &[String], dates: &[bool]) -> Result<Vec<String>, Unreadable> {
    let mut values: Vec<String> = Vec::new();
    for cell in row.children("c") {
        let column = match cell.attribute("r") {
            Some(place) => {
                column(place).ok_or_else(|| Unreadable::Damaged(format!("`{place}` is no cell")))?
            }
            None => values.len(),
        };
        if column >= MOST_COLUMNS {
            return Err(Unreadable::TooLarge(format!(
                "a sheet has more than {MOST_COLUMNS} columns"
            )));
        }
        if values.len() <= column {
            values.resize(column + 1, String::new());
        }
        values[column] = value(cell, shared, dates);
    }
    Ok(values)
}

/// The column of a place (`AB12`), from 0.
fn column(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_uppercase);
    let column = letters.take(4).fold(0, |column, letter| {
        column * 26 + usize::from(letter - b'A') + 1
    });
    column.checked_sub(1)
}

fn value(cell: &Element, shared: &[String], dates: &[bool]) -> String {
    let raw = cell.at(&["v"]).map_or("", |value| value.text.as_str());
    match cell.attribute("t") {
        Some("s") => {
            let text = raw
                .trim()
                .parse::<usize>()
                .ok()
                .and_then(|at| shared.get(at));
            text.cloned().unwrap_or_default()
        }
        Some("inlineStr") => cell.at(&["is"]).map(rich).unwrap_or_default(),
        Some("b") => if raw == "1" { "TRUE" } else { "FALSE" }.to_owned(),
        Some("str" | "e" | "d") => raw.to_owned(),
        _ => {
            let style = cell
                .attribute("s")
                .and_then(|style| style.parse::<usize>().ok());
            let is_date = style.and_then(|style| dates.get(style)).copied();
            match raw.parse::<f64>() {
                Ok(number) if is_date == Some(true) => date(number).unwrap_or(raw.to_owned()),
                Ok(number) => number.to_string(),
                Err(_) => raw.to_owned(),
            }
        }
    }
}

/// Text that may consist of runs; phonetic guides are left out.
fn rich(text: &Element) -> String {
    let own = text.children("t").map(|part| part.text.as_str());
    let runs = text.children("r").filter_map(|run| run.at(&["t"]));
    own.chain(runs.map(|part| part.text.as_str())).collect()
}

/// Which of the cell styles show a number as a date (§18.8.30).
fn date_styles(styles: &Element) -> Vec<bool> {
    let custom: Vec<&str> = styles
        .at(&["numFmts"])
        .into_iter()
        .flat_map(|formats| formats.children("numFmt"))
        .filter(|format| format.attribute("formatCode").is_some_and(is_date_format))
        .filter_map(|format| format.attribute("numFmtId"))
        .collect();
    let of_cells = styles.at(&["cellXfs"]).into_iter();
    of_cells
        .flat_map(|formats| formats.children("xf"))
        .map(|format| {
            let id = format.attribute("numFmtId").unwrap_or_default();
            matches!(id.parse(), Ok(14..=22_u32)) || custom.contains(&id)
        })
        .collect()
}

fn is_date_format(code: &str) -> bool {
    let mut quoted = false;
    let plain: String = code
        .chars()
        .filter(|character| {
            quoted ^= *character == '"';
            !quoted
        })
        .collect();
    let plain = plain.to_ascii_lowercase();
    plain.contains("yy") || plain.contains("dd") || plain.contains("h:m")
}

/// A day number of the 1900 system, in ISO 8601. None: it is out of range.
fn date(number: f64) -> Option<String> {
    if !(0.0..2_958_466.0).contains(&number) {
        return None;
    }
    // Day 60 is the 29th of February 1900, which never was; days from 1970 on, and the seconds.
    let days = number.floor() as i64 - 25_569 + i64::from(number < 60.0);
    let seconds = (number.fract() * 86_400.0).round() as i64;
    // Howard Hinnant's days-to-civil, with years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let mut text = format!("{year:04}-{month:02}-{day:02}");
    if seconds > 0 {
        let (hour, minute) = (seconds / 3600, seconds / 60 % 60);
        text.push_str(&format!(" {hour:02}:{minute:02}"));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_dates_are_read_as_spreadsheets_count() {
        assert_eq!(column("A1"), Some(0));
        assert_eq!(column("AB12"), Some(27));
        assert_eq!(column("12"), None);
        assert_eq!(date(1.0).as_deref(), Some("1900-01-01"));
        assert_eq!(date(25_569.0).as_deref(), Some("1970-01-01"));
        assert_eq!(date(41_640.5).as_deref(), Some("2014-01-01 12:00"));
        assert_eq!(date(36_585.0).as_deref(), Some("2000-02-29"));
        assert!(is_date_format("dd.mm.yyyy") && !is_date_format("0.00\"yy\""));
    }
}
