use crossterm::event::KeyEvent;
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::cli::top::{
    model::{
        Model,
        tests::{STARTED, scrape},
    },
    scrape::{AlarmAnswer, FeedAnswer},
};

fn view() -> View {
    let mut view = View::new("http://127.0.0.1:8686".to_owned());
    view.show(Model::new(
        Some(&scrape(STARTED, 10, 1_000)),
        &scrape(STARTED, 12, 1_500),
    ));
    view
}

/// What is on a screen of this size, without spaces at the ends of lines.
fn screen(view: &mut View, (width, height): (u16, u16), now: u64) -> Vec<String> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| view.draw(frame, Duration::from_secs(now)))
        .unwrap();
    let text = terminal.backend().to_string();
    text.lines()
        .map(|line| line.trim_matches('"').trim_end().to_owned())
        .collect()
}

#[track_caller]
fn check(view: &mut View, size: (u16, u16), expected: &str) {
    let shown = screen(view, size, 20).join("\n");
    assert_eq!(
        shown.trim_end(),
        expected.trim_matches('\n').trim_end(),
        "\n{shown}\n"
    );
}

fn press(view: &mut View, code: KeyCode) -> Next {
    view.handle(&Event::Key(KeyEvent::new(code, KeyModifiers::NONE)))
}

fn many_feeds(count: usize) -> Model {
    let mut now = scrape(STARTED, 12, 1_500);
    now.sources[0].feeds = (0..count)
        .map(|number| FeedAnswer {
            tenant: format!("tenant {number:04}"),
            content_type: "Audit.Exchange".to_owned(),
            cursor: Some(now.clock),
            ..FeedAnswer::default()
        })
        .collect();
    Model::new(None, &now)
}

const AT_80: &str = "
o365-host 1.2.3 at http://127.0.0.1:8686  up 1m00s  ready  ok
in 250/s  out 250/s  0 B/s  in flight 40
lag 1m00s  pending 9 blobs  lost 4  dead letters 3
▸feeds 3
TENANT   CONTENT TYPE    STATE       LAG  PENDING  LOST  EVENTS/S  WHY
contoso  Audit.General   failing     20s        0     0         0  4 times: no …
contoso  Audit.Exchange  working   1m00s        9     4       250
t2       DLP.All         starting      -        0     0         0
 components 3
COMPONENT  TYPE        IN/S  OUT/S  IN FLIGHT  ERRORS  DISCARDED  KIND
in         o365_audit     -    250         40       1          5  source
ecs        wasm         250    250          7       3          -  transform
out        file         250      -          -       -          -  sink
 tenants 1
TENANT   REQUESTS/MIN  BUDGET  FAILED  THROTTLED  TOKEN  SOURCE
contoso          1500     600       2        30s  1h00m  in
 wasm components 1
WASM  DIGEST  BATCHES/S  FAILURES  SWAPS  REFUSED
ecs   abc           2.5         3      0        0
";

#[test]
fn everything_has_room_on_a_screen_of_80_columns() {
    let mut view = view();
    let shown = screen(&mut view, (80, 24), 20);
    assert!(shown[0].starts_with("o365-host 1.2.3 at http://127.0.0.1:8686  up 1m00s  ready  ok"));
    assert_eq!(shown[23], KEYS);
    for title in ["▸feeds 3", " components 3", " tenants 1", " wasm components 1"] {
        assert!(shown.contains(&title.to_owned()), "{shown:#?}");
    }
    check(&mut view, (80, 24), &format!("{}\n\n\n\n\n{KEYS}", AT_80.trim()));
}

#[test]
fn thousands_of_feeds_are_scrolled_and_the_rest_stays_in_sight() {
    let mut view = view();
    view.show(many_feeds(5_000));
    let size = (80, 24);
    let shown = screen(&mut view, size, 0);
    assert!(shown[3].starts_with("▸feeds 1-"), "{shown:#?}");
    assert!(shown[3].ends_with(" of 5000"), "{shown:#?}");
    assert!(shown[5].starts_with("tenant 0000"), "{shown:#?}");
    assert!(
        shown.iter().any(|line| line.starts_with(" components")),
        "{shown:#?}"
    );
    assert_eq!(press(&mut view, KeyCode::PageDown), Next::Go);
    let page = screen(&mut view, size, 0);
    assert_ne!(page[5], shown[5]);
    press(&mut view, KeyCode::End);
    let end = screen(&mut view, size, 0);
    assert!(end[3].ends_with("-5000 of 5000"), "{end:#?}");
    // What is below the end is not scrolled into, and so one step up is one.
    press(&mut view, KeyCode::Down);
    assert_eq!(screen(&mut view, size, 0), end);
    press(&mut view, KeyCode::Up);
    assert!(screen(&mut view, size, 0)[3].ends_with("-4999 of 5000"));
    press(&mut view, KeyCode::Home);
    assert_eq!(screen(&mut view, size, 0), shown);
}

#[test]
fn rows_are_sorted_and_filtered() {
    let mut view = view();
    view.show(many_feeds(50));
    press(&mut view, KeyCode::Char('s'));
    let sorted = screen(&mut view, (80, 24), 0);
    assert!(sorted[4].starts_with("TENANT▾"), "{sorted:#?}");
    assert_eq!(press(&mut view, KeyCode::Char('/')), Next::Go);
    for c in "0042q".chars() {
        assert_eq!(press(&mut view, KeyCode::Char(c)), Next::Go, "q is a letter here");
    }
    press(&mut view, KeyCode::Backspace);
    let typing = screen(&mut view, (80, 24), 0);
    assert_eq!(typing[3], "▸feeds 1");
    assert!(typing[5].starts_with("tenant 0042"), "{typing:#?}");
    assert!(typing[23].starts_with("filter: 0042_"), "{typing:#?}");
    press(&mut view, KeyCode::Enter);
    press(&mut view, KeyCode::Esc);
    assert_eq!(
        screen(&mut view, (80, 24), 0),
        sorted,
        "the first Esc drops the filter"
    );
    assert_eq!(press(&mut view, KeyCode::Esc), Next::Quit);
}

#[test]
fn each_pane_can_be_in_focus() {
    let mut view = view();
    screen(&mut view, (80, 24), 0);
    let focus = |view: &mut View| {
        let shown = screen(view, (80, 24), 0);
        let line = shown.iter().find(|line| line.starts_with('▸'));
        line.unwrap_or_else(|| panic!("{shown:#?}")).clone()
    };
    for title in ["▸components 3", "▸tenants 1", "▸wasm components 1", "▸feeds 3"] {
        press(&mut view, KeyCode::Tab);
        assert_eq!(focus(&mut view), title);
    }
    press(&mut view, KeyCode::BackTab);
    assert_eq!(focus(&mut view), "▸wasm components 1");
}

/// A host that has just started has no feeds yet.
#[test]
fn the_focus_returns_to_the_feeds_when_there_are_some() {
    let mut none = scrape(STARTED, 12, 1_500);
    none.sources[0].feeds.clear();
    let mut view = view();
    view.show(Model::new(None, &none));
    assert_eq!(screen(&mut view, (80, 24), 0)[3], "▸components 3");
    view.show(Model::new(None, &scrape(STARTED, 12, 1_500)));
    assert_eq!(screen(&mut view, (80, 24), 0)[3], "▸feeds 3");
}

#[test]
fn what_does_not_answer_is_said_and_the_last_numbers_stay() {
    let mut view = View::new("http://127.0.0.1:1".to_owned());
    assert!(screen(&mut view, (80, 10), 0)[0].starts_with("asking http://127.0.0.1:1"));
    view.fail("nothing answers".to_owned(), Duration::from_secs(5));
    view.fail("nothing answers".to_owned(), Duration::from_secs(9));
    assert_eq!(
        screen(&mut view, (80, 10), 15)[0],
        "trying since 10s: nothing answers"
    );
    view.show(Model::new(None, &scrape(STARTED, 12, 1_500)));
    assert!(!screen(&mut view, (80, 10), 15)[0].contains("since"));
    view.fail("it is gone".to_owned(), Duration::from_secs(20));
    let stale = screen(&mut view, (80, 24), 50);
    assert_eq!(stale[0], "STALE since 30s: it is gone");
    assert!(
        stale.iter().any(|line| line.contains("Audit.General")),
        "{stale:#?}"
    );
}

#[test]
fn alarms_are_shown_but_never_fill_the_screen() {
    let mut now = scrape(STARTED, 12, 1_500);
    now.health.status = "degraded".to_owned();
    now.health.alarms = (0..10)
        .map(|number| AlarmAnswer {
            component_id: "in".to_owned(),
            alarm: "quarantined".to_owned(),
            tenant: Some(format!("t{number}")),
            content_type: Some("DLP.All".to_owned()),
            text: "blobs make\x1b[2J no sense".to_owned(),
            advice: "look".to_owned(),
        })
        .collect();
    let mut view = view();
    view.show(Model::new(None, &now));
    let shown = screen(&mut view, (100, 24), 0);
    assert_eq!(
        shown[3],
        "! in: quarantined t0 DLP.All: blobs make\u{fffd}[2J no sense (look)"
    );
    assert_eq!(shown[6], "! and 7 alarms more: --once shows them all");
}

#[test]
fn a_screen_of_any_size_is_survived() {
    let mut view = view();
    for size in [(1, 1), (2, 3), (10, 5), (20, 8), (300, 100)] {
        screen(&mut view, size, 0);
    }
}

/// Wide characters do not shift what stands to the right of them.
#[test]
fn names_in_other_scripts_keep_the_columns_in_place() {
    let mut now = scrape(STARTED, 12, 1_500);
    now.sources[0].ledger.feeds[0].tenant_name = Some("日本語の組織の名前は長いものだ".repeat(4));
    let mut view = view();
    view.show(Model::new(None, &now));
    let mut terminal = Terminal::new(TestBackend::new(80, 24)).unwrap();
    terminal.draw(|frame| view.draw(frame, Duration::ZERO)).unwrap();
    let buffer = terminal.backend().buffer();
    let column_of = |line: u16, text: &str| {
        let cells: Vec<_> = (0..80).map(|x| buffer[(x, line)].symbol()).collect();
        // The second half of a wide character is a cell of its own.
        (0..80).find(|x| cells[*x..].concat().starts_with(text))
    };
    let state = column_of(4, "STATE").unwrap();
    assert_eq!(column_of(5, "failing"), Some(state));
    assert_eq!(column_of(7, "starting"), Some(state));
    assert_eq!(column_of(5, "日 本 語 "), Some(0));
}

#[test]
fn control_and_c_ends_it_also_while_typing() {
    let mut view = view();
    press(&mut view, KeyCode::Char('/'));
    let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(view.handle(&Event::Key(event)), Next::Quit);
}
