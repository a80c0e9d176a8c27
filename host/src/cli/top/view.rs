//! The live view: what is on the screen, and what keys change of it. It neither waits nor asks.

use std::time::Duration;

use crossterm::event::{Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::{
    Frame,
    buffer::Buffer,
    layout::Rect,
    style::{Color, Modifier, Style},
};

use super::{
    model::Model,
    table::{Mark, Table, cut},
    tables,
};

/// Alarms that are shown; there is no room for all.
const ALARMS: usize = 3;
/// Lines that a pane has at least: title, names of columns, three rows.
const LEAST: usize = 5;

const KEYS: &str = "q quit  Tab pane  ↑↓ PgUp PgDn scroll  s S sort  / filter";

/// See the module.
#[derive(Debug)]
pub(super) struct View {
    url: String,
    model: Option<Model>,
    /// Why there is nothing new, and since when.
    failing: Option<(String, Duration)>,
    /// Title of the pane that keys act on.
    focus: &'static str,
    panes: Vec<Pane>,
    filter: String,
    typing: bool,
    /// Rows that the pane in focus showed last.
    page: usize,
}

/// What a person has chosen for a pane.
#[derive(Debug)]
struct Pane {
    title: &'static str,
    offset: usize,
    sort: Option<usize>,
}

/// Whether to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Go,
    Quit,
}

impl View {
    /// Of the host at this address.
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            model: None,
            failing: None,
            focus: "feeds",
            panes: Vec::new(),
            filter: String::new(),
            typing: false,
            page: 1,
        }
    }

    /// A scrape has succeeded.
    pub(super) fn show(&mut self, model: Model) {
        self.model = Some(model);
        self.failing = None;
    }

    /// A scrape has failed, at this time since the start.
    pub(super) fn fail(&mut self, error: String, now: Duration) {
        let since = self.failing.as_ref().map_or(now, |(_, since)| *since);
        self.failing = Some((error, since));
    }

    pub(super) fn handle(&mut self, event: &Event) -> Next {
        let Event::Key(key) = event else {
            return Next::Go;
        };
        if key.kind == KeyEventKind::Release {
            return Next::Go;
        }
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            let ends = matches!(key.code, KeyCode::Char('c' | 'd'));
            return if ends { Next::Quit } else { Next::Go };
        }
        if self.typing {
            match key.code {
                KeyCode::Char(c) => self.filter.push(c),
                KeyCode::Backspace => drop(self.filter.pop()),
                KeyCode::Enter => self.typing = false,
                KeyCode::Esc => {
                    self.typing = false;
                    self.filter.clear();
                }
                _ => {}
            }
            return Next::Go;
        }
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc if self.filter.is_empty() => return Next::Quit,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Tab | KeyCode::Right => self.turn(1),
            KeyCode::BackTab | KeyCode::Left => self.turn(-1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll(-1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(1),
            KeyCode::PageUp => self.scroll(-page(self.page)),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(page(self.page)),
            KeyCode::Home | KeyCode::Char('g') => self.scroll(isize::MIN),
            KeyCode::End | KeyCode::Char('G') => self.scroll(isize::MAX),
            KeyCode::Char('s') => self.sort(1),
            KeyCode::Char('S') => self.sort(-1),
            _ => {}
        }
        Next::Go
    }

    fn tables(&self) -> Vec<Table> {
        self.model.as_ref().map(tables::tables).unwrap_or_default()
    }

    /// The pane that keys act on; the first one while the chosen one has no rows.
    fn focused(&self, tables: &[Table]) -> Option<&'static str> {
        let mut titles = tables.iter().map(|table| table.title);
        let chosen = titles.clone().find(|title| *title == self.focus);
        chosen.or_else(|| titles.next())
    }

    fn turn(&mut self, by: isize) {
        let tables = self.tables();
        let focus = self.focused(&tables);
        let Some(place) = tables.iter().position(|table| Some(table.title) == focus) else {
            return;
        };
        let next = place.cast_signed() + by;
        let next = next.rem_euclid(tables.len().cast_signed()).cast_unsigned();
        self.focus = tables[next].title;
    }

    fn pane(&mut self, title: &'static str) -> &mut Pane {
        let place = self.panes.iter().position(|pane| pane.title == title);
        let place = place.unwrap_or_else(|| {
            self.panes.push(Pane {
                title,
                offset: 0,
                sort: None,
            });
            self.panes.len() - 1
        });
        &mut self.panes[place]
    }

    /// Drawing keeps it within the rows that there are.
    fn scroll(&mut self, by: isize) {
        let Some(focus) = self.focused(&self.tables()) else {
            return;
        };
        let pane = self.pane(focus);
        pane.offset = pane.offset.saturating_add_signed(by);
    }

    /// By the next column, or by none, which is the order of the model.
    fn sort(&mut self, by: isize) {
        let tables = self.tables();
        let focus = self.focused(&tables);
        let Some(table) = tables.iter().find(|table| Some(table.title) == focus) else {
            return;
        };
        let choices = table.columns.len() + 1;
        let pane = self.pane(table.title);
        let now = pane.sort.map_or(0, |column| column + 1).cast_signed();
        let next = (now + by).rem_euclid(choices.cast_signed()).cast_unsigned();
        pane.sort = next.checked_sub(1);
        pane.offset = 0;
    }

    /// `now` is the time since the start.
    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now: Duration) {
        let area = frame.area();
        self.render(area, frame.buffer_mut(), now);
    }

    fn render(&mut self, area: Rect, buffer: &mut Buffer, now: Duration) {
        let mut screen = Screen {
            buffer,
            area,
            line: 0,
        };
        let bold = Style::new().add_modifier(Modifier::BOLD);
        let stale = self.failing.is_some();
        if let Some((error, since)) = &self.failing {
            let seconds = now.saturating_sub(*since).as_secs_f64();
            let what = if self.model.is_some() {
                format!("STALE since {}: {error}", tables::duration(seconds))
            } else {
                format!("trying since {}: {error}", tables::duration(seconds))
            };
            screen.wrapped(&what, bold.fg(Color::Red));
        }
        let Some(model) = &self.model else {
            if !stale {
                screen.text(&format!("asking {} …", self.url), Style::new());
            }
            screen.foot(KEYS);
            return;
        };
        let degraded = model.status != "ok" || !model.ready;
        let [host, flow, progress] = tables::summary(model, &self.url);
        let tone = if degraded { bold.fg(Color::Yellow) } else { bold };
        screen.text(&host, tone);
        screen.text(&flow, Style::new());
        screen.text(&progress, Style::new());
        let alarms = tables::alarms(model);
        for alarm in alarms.iter().take(ALARMS) {
            screen.text(alarm, Style::new().fg(Color::Red));
        }
        if alarms.len() > ALARMS {
            let more = format!(
                "! and {} alarms more: --once shows them all",
                alarms.len() - ALARMS
            );
            screen.text(&more, Style::new().fg(Color::Red));
        }
        let mut tables = self.tables();
        for table in &mut tables {
            if !self.filter.is_empty() {
                table.filter(&self.filter);
            }
        }
        let focus = self.focused(&tables);
        let room = usize::from(area.height).saturating_sub(screen.line + 1);
        let wanted: Vec<_> = tables
            .iter()
            .map(|table| (Some(table.title) == focus, table.rows.len() + 2))
            .collect();
        for (table, height) in tables.iter_mut().zip(heights(&wanted, room)) {
            let focused = Some(table.title) == focus;
            self.render_table(table, height, &mut screen, (focused, stale));
        }
        let foot = if self.typing {
            format!("filter: {}_  (Enter keeps it, Esc drops it)", self.filter)
        } else if self.filter.is_empty() {
            KEYS.to_owned()
        } else {
            format!("filter: {}  (Esc drops it)  {KEYS}", self.filter)
        };
        screen.foot(&foot);
    }

    fn render_table(
        &mut self,
        table: &mut Table,
        height: usize,
        screen: &mut Screen<'_>,
        (focused, stale): (bool, bool),
    ) {
        let rows = height.saturating_sub(2);
        if rows == 0 {
            return;
        }
        let pane = self.pane(table.title);
        let sort = pane.sort;
        if let Some(column) = sort {
            table.sort(column);
        }
        pane.offset = pane.offset.min(table.rows.len().saturating_sub(rows));
        let offset = pane.offset;
        if focused {
            self.page = rows;
        }
        let last = (offset + rows).min(table.rows.len());
        let range = if last - offset < table.rows.len() {
            format!("{}-{last} of {}", offset + 1, table.rows.len())
        } else {
            table.rows.len().to_string()
        };
        let sign = if focused { "▸" } else { " " };
        let title = format!("{sign}{} {range}", table.title);
        let dim = |style: Style| {
            if stale {
                style.add_modifier(Modifier::DIM)
            } else {
                style
            }
        };
        let tone = if focused {
            Style::new().fg(Color::Cyan).add_modifier(Modifier::BOLD)
        } else {
            Style::new().fg(Color::Cyan)
        };
        screen.text(&title, tone);
        let columns = table.fit(usize::from(screen.area.width));
        let head = Style::new().add_modifier(Modifier::UNDERLINED);
        screen.text(&table.head(&columns, sort), dim(head));
        for row in &table.rows[offset..last] {
            let tone = match row.mark {
                Mark::Good => Style::new(),
                Mark::Odd => Style::new().fg(Color::Yellow),
                Mark::Bad => Style::new().fg(Color::Red),
            };
            screen.text(&table.line(row, &columns), dim(tone));
        }
    }
}

fn page(rows: usize) -> isize {
    isize::try_from(rows).unwrap_or(isize::MAX)
}

/// How many lines each pane gets of `room`; 0 for one that is left out. The one in focus has what the others leave, and
/// they leave it at least half.
fn heights(wanted: &[(bool, usize)], room: usize) -> Vec<usize> {
    let mut given: Vec<usize> = wanted.iter().map(|_| 0).collect();
    let focus = wanted.iter().position(|(focused, _)| *focused);
    let mut left = room;
    if let Some(focus) = focus {
        given[focus] = wanted[focus].1.min(room.div_ceil(2).max(LEAST).min(room));
        left -= given[focus];
    }
    // In turn, so that each has something before one has everything.
    for step in [LEAST, usize::MAX] {
        for (index, (_, wanted)) in wanted.iter().enumerate() {
            let target = (*wanted).min(step.max(given[index]));
            let more = target - given[index].min(target);
            if Some(index) == focus || given[index] + left.min(more) < 3 {
                continue;
            }
            let more = more.min(left);
            given[index] += more;
            left -= more;
        }
    }
    if let Some(focus) = focus {
        given[focus] = wanted[focus].1.min(given[focus] + left);
    }
    given
}

/// Lines from the top down; what has no room is left out.
struct Screen<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    line: usize,
}

impl Screen<'_> {
    fn text(&mut self, text: &str, style: Style) {
        // The last line is the foot.
        if self.line + 1 < usize::from(self.area.height) {
            self.put(self.line, text, style);
            self.line += 1;
        }
    }

    /// Over as many lines as it takes.
    fn wrapped(&mut self, text: &str, style: Style) {
        use unicode_width::UnicodeWidthStr;
        let width = usize::from(self.area.width);
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.width() + 1 + word.width() > width {
                self.text(&std::mem::take(&mut line), style);
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.text(&line, style);
    }

    fn foot(&mut self, text: &str) {
        if let Some(last) = usize::from(self.area.height).checked_sub(1) {
            self.put(last, text, Style::new().add_modifier(Modifier::DIM));
        }
    }

    fn put(&mut self, line: usize, text: &str, style: Style) {
        let text = cut(text, usize::from(self.area.width));
        let y = self.area.y + u16::try_from(line).unwrap_or(u16::MAX);
        self.buffer.set_string(self.area.x, y, text, style);
    }
}

#[cfg(test)]
mod tests;
