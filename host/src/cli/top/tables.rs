//! The model as tables and lines of text: the live view and the plain text show the same.

use super::{
    model::{FeedState, Model},
    table::{Cell, Column, Mark, Row, Table, number, text},
};

const FEEDS: &[Column] = &[
    text("TENANT"),
    text("CONTENT TYPE"),
    text("STATE"),
    number("LAG"),
    number("PENDING"),
    number("LOST"),
    number("EVENTS/S"),
    text("WHY").spare(),
    number("BLOBS/S").spare(),
    number("REPEATED").spare(),
    number("SERVICE LAG").spare(),
    number("OWN LAG").spare(),
    text("SOURCE").spare(),
];
const COMPONENTS: &[Column] = &[
    text("COMPONENT"),
    text("TYPE"),
    number("IN/S"),
    number("OUT/S"),
    number("IN FLIGHT"),
    number("ERRORS"),
    number("DISCARDED"),
    text("KIND").spare(),
];
const TENANTS: &[Column] = &[
    text("TENANT"),
    number("REQUESTS/MIN"),
    number("BUDGET"),
    number("FAILED"),
    number("THROTTLED"),
    number("TOKEN"),
    text("SOURCE").spare(),
];
const WASM: &[Column] = &[
    text("WASM"),
    text("DIGEST"),
    number("BATCHES/S"),
    number("FAILURES"),
    number("SWAPS"),
    number("REFUSED"),
    text("WHY").spare(),
    text("SHADOW").spare(),
];

/// Events a second or the like: exact enough to see, short enough to fit.
pub(super) fn rate(value: f64) -> String {
    if value > 0.0 && value < 100.0 {
        format!("{value:.1}")
    } else {
        count(value)
    }
}

/// A number of things, which are all shown up to a million.
pub(super) fn count(value: f64) -> String {
    match value.round() {
        value if value < 1e6 => format!("{value:.0}"),
        value if value < 1e9 => format!("{:.1}M", value / 1e6),
        value => format!("{:.1}G", value / 1e9),
    }
}

pub(super) fn bytes(value: f64) -> String {
    let (mut value, mut unit) = (value, "B");
    for next in ["kB", "MB", "GB", "TB"] {
        if value < 1_000.0 {
            break;
        }
        (value, unit) = (value / 1_000.0, next);
    }
    let digits = usize::from(unit != "B" && value < 100.0);
    format!("{value:.digits$} {unit}")
}

/// The two largest units.
pub(super) fn duration(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "nothing lasts longer")]
    let whole = seconds.round() as i64;
    let (sign, whole) = if whole < 0 { ("-", -whole) } else { ("", whole) };
    let (days, hours, minutes, seconds) = (whole / 86_400, whole / 3_600 % 24, whole / 60 % 60, whole % 60);
    let text = match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m{seconds:02}s"),
        (0, ..) => format!("{hours}h{minutes:02}m"),
        _ => format!("{days}d{hours:02}h"),
    };
    format!("{sign}{text}")
}

fn or_dash(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), format)
}

/// The lines above the tables, for a host at this address; alarms come on lines of their own.
pub(super) fn summary(model: &Model, url: &str) -> [String; 3] {
    let totals = &model.totals;
    let up = or_dash(model.uptime_seconds, duration);
    let ready = if model.ready { "ready" } else { "stopping" };
    let letters = match (totals.dead_letter_bytes, totals.dead_letter_max_bytes) {
        (Some(used), Some(max)) => format!(
            "{} ({} of {})",
            count(totals.dead_letters),
            bytes(used),
            bytes(max)
        ),
        _ => count(totals.dead_letters),
    };
    [
        format!(
            "o365-host {} at {url}  up {up}  {ready}  {}",
            model.version, model.status
        ),
        format!(
            "in {}/s  out {}/s  {}/s  in flight {}",
            or_dash(totals.events_in_per_second, rate),
            or_dash(totals.events_out_per_second, rate),
            or_dash(totals.bytes_in_per_second, bytes),
            count(totals.events_in_flight),
        ),
        format!(
            "lag {}  pending {} blobs  lost {}  dead letters {letters}",
            or_dash(totals.worst_lag_seconds, duration),
            totals.pending_blobs,
            totals.lost,
        ),
    ]
}

/// A line for each alarm.
pub(super) fn alarms(model: &Model) -> Vec<String> {
    let line = |alarm: &super::scrape::AlarmAnswer| {
        let feed = [alarm.tenant.as_deref(), alarm.content_type.as_deref()];
        let feed: String = feed.iter().flatten().map(|part| format!(" {part}")).collect();
        let text = format!(
            "! {}: {}{feed}: {} ({})",
            alarm.component_id, alarm.alarm, alarm.text, alarm.advice
        );
        Cell::text(text).text
    };
    model.alarms.iter().map(line).collect()
}

/// Feeds, components, tenants and WebAssembly components, in this order; those without rows are left out.
pub(super) fn tables(model: &Model) -> Vec<Table> {
    let all = [feeds(model), components(model), tenants(model), wasm(model)];
    all.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn feeds(model: &Model) -> Table {
    let integer = |value: u64| Cell::number(Some(value as f64), count);
    let lag = |seconds: Option<i64>| Cell::number(seconds.map(|seconds| seconds as f64), duration);
    let rows = model.feeds.iter().map(|feed| Row {
        mark: match feed.state {
            FeedState::Failing | FeedState::Alarm => Mark::Bad,
            _ if feed.lost > 0 => Mark::Odd,
            FeedState::Starting | FeedState::Behind | FeedState::Working | FeedState::Idle => Mark::Good,
        },
        cells: vec![
            Cell::text(feed.label()),
            Cell::text(&feed.content_type),
            Cell::text(feed.state.as_str()),
            Cell::number(feed.lag_seconds, duration),
            integer(feed.pending_blobs),
            integer(feed.lost),
            Cell::number(feed.events_per_second, rate),
            Cell::text(feed.reason.as_deref().unwrap_or_default()),
            Cell::number(feed.blobs_per_second, rate),
            integer(feed.duplicates),
            lag(feed.service_lag_seconds),
            lag(feed.own_lag_seconds),
            Cell::text(&feed.source),
        ],
    });
    Table {
        title: "feeds",
        columns: FEEDS,
        rows: rows.collect(),
    }
}

fn components(model: &Model) -> Table {
    let rows = model.components.iter().map(|component| Row {
        mark: if component.errors.is_some_and(|errors| errors > 0.0) {
            Mark::Odd
        } else {
            Mark::Good
        },
        cells: vec![
            Cell::text(&component.id),
            Cell::text(&component.component_type),
            Cell::number(component.in_per_second, rate),
            Cell::number(component.out_per_second, rate),
            Cell::number(component.in_flight, count),
            Cell::number(component.errors, count),
            Cell::number(component.discarded, count),
            Cell::text(&component.kind),
        ],
    });
    Table {
        title: "components",
        columns: COMPONENTS,
        rows: rows.collect(),
    }
}

fn tenants(model: &Model) -> Table {
    let rows = model.tenants.iter().map(|tenant| Row {
        mark: if tenant.token_ends_in_seconds.is_some_and(|left| left < 0.0) {
            Mark::Bad
        } else if tenant.throttled_seconds > 0.0 {
            Mark::Odd
        } else {
            Mark::Good
        },
        cells: vec![
            Cell::text(tenant.name.as_deref().unwrap_or(&tenant.tenant)),
            Cell::number(tenant.requests_per_minute, rate),
            Cell::number(Some(f64::from(tenant.max_requests_per_minute)), count),
            Cell::number(Some(tenant.failed_requests as f64), count),
            Cell::number(Some(tenant.throttled_seconds), duration),
            Cell::number(tenant.token_ends_in_seconds, duration),
            Cell::text(&tenant.source),
        ],
    });
    Table {
        title: "tenants",
        columns: TENANTS,
        rows: rows.collect(),
    }
}

fn wasm(model: &Model) -> Table {
    let rows = model.wasm.iter().map(|slot| Row {
        mark: if slot.refusal.is_some() {
            Mark::Odd
        } else {
            Mark::Good
        },
        cells: vec![
            Cell::text(&slot.id),
            Cell::text(slot.digest.get(..12).unwrap_or(&slot.digest)),
            Cell::number(slot.batches_per_second, rate),
            Cell::number(slot.failures, count),
            Cell::number(Some(slot.swapped as f64), count),
            Cell::number(Some(slot.refused as f64), count),
            Cell::text(
                slot.shadow
                    .map_or_else(String::new, |(compared, different, failed)| {
                        format!("{compared} compared, {different} differ, {failed} failed")
                    }),
            ),
            Cell::text(slot.refusal.as_deref().unwrap_or_default()),
        ],
    });
    Table {
        title: "wasm components",
        columns: WASM,
        rows: rows.collect(),
    }
}

/// All of it as text, for scripts and files: nothing is cut.
pub(super) fn plain(model: &Model, url: &str) -> String {
    let mut lines = summary(model, url).to_vec();
    lines.extend(alarms(model));
    for table in tables(model) {
        lines.push(String::new());
        let columns = table.fit(usize::MAX);
        lines.push(table.head(&columns, None));
        lines.extend(table.rows.iter().map(|row| table.line(row, &columns)));
    }
    lines
        .iter()
        .map(|line| format!("{}\n", line.trim_end()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [0.0, 0.25, 99.9, 1_234.0, 1_234_567.0].map(rate),
            ["0", "0.2", "99.9", "1234", "1.2M"]
        );
        assert_eq!(
            [0.0, 999.0, 1_500.0, 2_000_000_000.0].map(bytes),
            ["0 B", "999 B", "1.5 kB", "2.0 GB"]
        );
        assert_eq!(
            [0.0, 59.4, 61.0, 7_500.0, 90_000.0, -61.0].map(duration),
            ["0s", "59s", "1m01s", "2h05m", "1d01h", "-1m01s"]
        );
    }
}
