//! Columns that line up.

use super::Paint;

/// A table: cells are measured without their colours.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<Vec<(String, String)>>,
}

impl Table {
    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.painted(cells.map(|cell| (cell.to_owned(), cell.to_owned())));
    }

    /// Adds a row of titles.
    pub fn titles<const N: usize>(&mut self, paint: Paint, cells: [&str; N]) {
        self.painted(cells.map(|cell| (cell.to_owned(), paint.colour(super::Colour::Grey, cell))));
    }

    /// Adds a row of cells, each plain and as it is printed.
    pub fn painted<const N: usize>(&mut self, cells: [(String, String); N]) {
        self.rows.push(cells.into());
    }

    /// All rows, each indented by two spaces and ended by a line feed.
    pub fn render(&self) -> String {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or_default();
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|(plain, _)| plain.chars().count())
                .max()
                .unwrap_or_default()
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for ((plain, painted), width) in row.iter().zip(&widths) {
                line.push_str("  ");
                line.push_str(painted);
                line.push_str(&" ".repeat(width - plain.chars().count()));
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn colours_do_not_count_as_width() {
        let mut table = Table::default();
        table.row(["node", "state"]);
        table.painted([
            ("a".into(), "\x1b[31ma\x1b[0m".into()),
            ("up".into(), "up".into()),
        ]);
        assert_eq!(table.render(), "  node  state\n  \x1b[31ma\x1b[0m     up\n");
    }
}
