//! A table for a terminal: what it has room for is shown whole, and the rest gets shorter.

use std::cmp::Ordering;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns between two columns.
pub(super) const GAP: usize = 2;
/// A text is not cut shorter than that.
const SHORTEST: usize = 6;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the left; cut where there is no room.
    Text,
    /// To the right; never cut, since half a number is a wrong one.
    Number,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// The column goes first where there is no room for all.
    pub(super) spare: bool,
}

/// A text that is cut if it must be.
pub(super) const fn text(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Text,
        spare: false,
    }
}

/// A number.
pub(super) const fn number(name: &'static str) -> Column {
    Column {
        name,
        kind: Kind::Number,
        spare: false,
    }
}

impl Column {
    pub(super) const fn spare(mut self) -> Self {
        self.spare = true;
        self
    }
}

/// Whether a row needs somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Mark {
    #[default]
    Good,
    Odd,
    Bad,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// What it is sorted by.
    number: Option<f64>,
}

impl Cell {
    /// Control characters, which could do anything to a terminal, become harmless.
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        Self {
            text: text
                .chars()
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect(),
            number: None,
        }
    }

    /// Nothing is shown as `-`.
    pub(super) fn number(value: Option<f64>, format: impl Fn(f64) -> String) -> Self {
        Self {
            text: value.map_or_else(|| "-".to_owned(), format),
            number: value,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) title: &'static str,
    pub(super) columns: &'static [Column],
    pub(super) rows: Vec<Row>,
}

impl Table {
    /// By a column: texts from a to z, numbers from the largest. Equal rows stay in their order.
    pub(super) fn sort(&mut self, column: usize) {
        let Some(kind) = self.columns.get(column).map(|column| column.kind) else {
            return;
        };
        self.rows.sort_by(|a, b| {
            let (Some(a), Some(b)) = (a.cells.get(column), b.cells.get(column)) else {
                return Ordering::Equal;
            };
            match kind {
                Kind::Text => a.text.to_lowercase().cmp(&b.text.to_lowercase()),
                Kind::Number => {
                    let value = |cell: &Cell| cell.number.unwrap_or(f64::NEG_INFINITY);
                    value(b).total_cmp(&value(a))
                }
            }
        });
    }

    /// Keeps the rows that have this text somewhere.
    pub(super) fn filter(&mut self, wanted: &str) {
        let wanted = wanted.to_lowercase();
        self.rows.retain(|row| {
            let mut cells = row.cells.iter();
            cells.any(|cell| cell.text.to_lowercase().contains(&wanted))
        });
    }

    /// Columns to show, each with its width, so that a line takes `width` columns at most if that is possible.
    pub(super) fn fit(&self, width: usize) -> Vec<(usize, usize)> {
        let natural = |(index, column): (usize, &Column)| {
            let cells = self.rows.iter().filter_map(|row| row.cells.get(index));
            let longest = cells.map(|cell| cell.text.width()).max().unwrap_or_default();
            (index, longest.max(column.name.width()))
        };
        let mut widths: Vec<_> = self.columns.iter().enumerate().map(natural).collect();
        // What nobody misses when it is left out is left out where it says nothing.
        widths.retain(|(index, _)| {
            let mut cells = self.rows.iter().filter_map(|row| row.cells.get(*index));
            !self.columns[*index].spare || cells.any(|cell| !cell.text.is_empty())
        });
        let total = |widths: &[(usize, usize)]| {
            widths
                .iter()
                .map(|(_, width)| width + GAP)
                .sum::<usize>()
                .saturating_sub(GAP)
        };
        let is_text = |index: usize| self.columns[index].kind == Kind::Text;
        // As far as texts are cut before a column goes.
        let minimum = |widths: &[(usize, usize)]| {
            let shortest = |(index, width): &(usize, usize)| {
                let column = self.columns[*index];
                let least = match (column.kind, column.spare) {
                    (Kind::Number, _) => *width,
                    (Kind::Text, true) => 2 * SHORTEST,
                    (Kind::Text, false) => 4 * SHORTEST,
                };
                (*index, (*width).min(least))
            };
            total(&widths.iter().map(shortest).collect::<Vec<_>>())
        };
        while minimum(&widths) > width
            && let Some(last) = widths.iter().rposition(|(index, _)| self.columns[*index].spare)
        {
            widths.remove(last);
        }
        while total(&widths) > width {
            let texts = widths
                .iter_mut()
                .filter(|(index, width)| is_text(*index) && *width > SHORTEST);
            let Some((_, widest)) = texts.max_by_key(|(_, width)| *width) else {
                break;
            };
            *widest -= 1;
        }
        widths
    }

    /// A line of these columns.
    pub(super) fn line(&self, row: &Row, columns: &[(usize, usize)]) -> String {
        let cell = |index: usize| row.cells.get(index).map_or("", |cell| cell.text.as_str());
        self.join(columns, cell)
    }

    /// The line of the columns' names; `sorted` has an arrow.
    pub(super) fn head(&self, columns: &[(usize, usize)], sorted: Option<usize>) -> String {
        let name = |index: usize| self.columns[index].name;
        let line = self.join(columns, name);
        match sorted.map(name) {
            // Only ASCII before it, so the gap after the name has room for a sign.
            Some(sorted) => line.replacen(&format!("{sorted} "), &format!("{sorted}▾"), 1),
            None => line,
        }
    }

    fn join<'a>(&self, columns: &[(usize, usize)], cell: impl Fn(usize) -> &'a str) -> String {
        let mut line = String::new();
        for (place, (index, width)) in columns.iter().enumerate() {
            if place > 0 {
                line.push_str("  ");
            }
            let text = cut(cell(*index), *width);
            let padding = " ".repeat(width - text.width().min(*width));
            match self.columns[*index].kind {
                Kind::Text => line.extend([text.as_str(), &padding]),
                Kind::Number => line.extend([&padding, text.as_str()]),
            }
        }
        line
    }
}

/// A text in so many columns; the last one says that there was more.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut shown = String::new();
    let mut used = 0;
    for c in text.chars() {
        let wide = c.width().unwrap_or_default();
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        shown.push(c);
    }
    if width > 0 {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: &[Column] = &[text("NAME"), number("COUNT"), text("WHY").spare()];

    fn table(rows: &[(&str, f64, &str)]) -> Table {
        let row = |(name, count, why): &(&str, f64, &str)| Row {
            cells: vec![
                Cell::text(name),
                Cell::number(Some(*count), |count| count.to_string()),
                Cell::text(why),
            ],
            mark: Mark::Good,
        };
        Table {
            title: "",
            columns: COLUMNS,
            rows: rows.iter().map(row).collect(),
        }
    }

    #[track_caller]
    fn check(table: &Table, width: usize, expected: &[&str]) {
        let columns = table.fit(width);
        let mut lines = vec![table.head(&columns, None)];
        lines.extend(table.rows.iter().map(|row| table.line(row, &columns)));
        assert_eq!(lines, expected);
    }

    #[test]
    fn spare_columns_go_first_and_then_texts_get_shorter() {
        let table = table(&[("contoso.onmicrosoft.com", 12.0, "because it is so")]);
        check(
            &table,
            60,
            &[
                "NAME                     COUNT  WHY             ",
                "contoso.onmicrosoft.com     12  because it is so",
            ],
        );
        check(
            &table,
            40,
            &["NAME                     COUNT", "contoso.onmicrosoft.com     12"],
        );
        check(&table, 18, &["NAME         COUNT", "contoso.on…     12"]);
        // Numbers stay whole, however narrow it is.
        check(&table, 5, &["NAME    COUNT", "conto…     12"]);
    }

    #[test]
    fn wide_characters_take_two_columns() {
        let table = table(&[("日本語の組織名", 1.0, ""), ("x", 2.0, "")]);
        check(
            &table,
            14,
            &["NAME     COUNT", "日本語…      1", "x            2"],
        );
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("日本語", 6), "日本語");
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(Cell::text("a\x1b[2Jb\n").text, "a\u{fffd}[2Jb\u{fffd}");
    }

    #[test]
    fn numbers_are_sorted_from_the_largest_and_texts_from_a() {
        let mut table = table(&[("b", 9.0, ""), ("A", 10.0, ""), ("c", 2.0, "")]);
        let names = |table: &Table| -> Vec<String> {
            table.rows.iter().map(|row| row.cells[0].text.clone()).collect()
        };
        table.sort(1);
        assert_eq!(names(&table), ["A", "b", "c"]);
        table.sort(0);
        assert_eq!(names(&table), ["A", "b", "c"]);
        table.filter("B");
        assert_eq!(names(&table), ["b"]);
    }
}
