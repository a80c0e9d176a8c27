#![expect(clippy::float_cmp, reason = "what is compared are counts, whole numbers")]

use std::time::Duration;

use chrono::DateTime;

use super::*;
use crate::cli::top::{
    samples::Samples,
    scrape::{HealthAnswer, SourceAnswer, TransformAnswer},
};

/// A host that was started at `started`, as it is `at` seconds later; `events` have gone through it.
pub(in crate::cli::top) fn scrape(started: u32, at: u64, events: u64) -> Scrape {
    let metrics = format!(
        r#"o365_build_info{{version="1.2.3"}} 1
o365_start_timestamp_seconds {started}
o365_component_received_events_total{{component_id="ecs",component_kind="transform",component_type="wasm"}} {events}
o365_component_received_events_total{{component_id="out",component_kind="sink",component_type="file"}} {events}
o365_component_sent_events_total{{component_id="ecs",component_kind="transform",component_type="wasm"}} {events}
o365_component_sent_events_total{{component_id="in",component_kind="source",component_type="o365_audit"}} {events}
o365_component_received_batches_total{{component_id="ecs",component_kind="transform",component_type="wasm"}} {batches}
o365_component_failed_events_total{{component_id="ecs",component_kind="transform",component_type="wasm"}} 3
o365_buffer_events{{component_id="ecs",component_kind="transform",component_type="wasm"}} 7
o365_source_events_in_flight{{component_id="in"}} 40
o365_source_events_ended_total{{component_id="in",status="dropped"}} 5
o365_source_events_ended_total{{component_id="in",status="errored"}} 1
o365_dead_letters_total 3
o365_dead_letter_bytes 2048
"#,
        batches = events / 100,
    );
    let sources: Vec<SourceAnswer> = serde_json::from_value(serde_json::json!([{
        "id": "in",
        "feeds": [
            {"tenant": "t1", "content_type": "Audit.Exchange", "cursor": "2026-01-01T00:00:00Z", "events_sent": events},
            {"tenant": "t1", "content_type": "Audit.General", "cursor": "2026-01-01T00:00:40Z", "failure": "no role",
             "failures_in_a_row": 4},
            {"tenant": "t2", "content_type": "DLP.All"},
        ],
        "tenants": [{"tenant": "t1", "max_requests_per_minute": 600, "throttled": {"secs": 30, "nanos": 0},
                     "token_expires": "2026-01-01T01:01:00Z",
                     "requests": [{"request": "blob", "outcome": "ok", "count": events / 10},
                                  {"request": "token", "outcome": "refused", "count": 2}]}],
        "ledger": {"taken": null, "alarms": [], "feeds": [
            {"tenant": "t1", "tenant_name": "contoso", "content_type": "Audit.Exchange", "pending": 9, "quarantined": 1,
             "blobs_expired": 2, "gaps": [{"from": "…"}], "lag": {"own_median_seconds": 2}},
        ]},
    }]))
    .unwrap();
    Scrape {
        at: Duration::from_secs(at),
        clock: DateTime::parse_from_rfc3339("2026-01-01T00:01:00Z")
            .unwrap()
            .into(),
        samples: Samples::parse(&metrics, |_| true).unwrap(),
        sources,
        transforms: vec![TransformAnswer {
            id: "ecs".into(),
            digest: "abc".into(),
            ..TransformAnswer::default()
        }],
        health: HealthAnswer {
            status: "ok".into(),
            alarms: Vec::new(),
        },
        ready: true,
    }
}

/// 2026-01-01T00:00:00Z
pub(in crate::cli::top) const STARTED: u32 = 1_767_225_600;

#[test]
fn rates_are_differences_over_time() {
    let model = Model::new(Some(&scrape(STARTED, 10, 1_000)), &scrape(STARTED, 12, 1_500));
    assert_eq!(model.totals.events_in_per_second, Some(250.0));
    assert_eq!(model.totals.events_out_per_second, Some(250.0));
    assert_eq!(model.totals.events_in_flight, 40.0);
    assert_eq!(model.version, "1.2.3");
    assert_eq!(model.uptime_seconds, Some(60.0));
    let ids: Vec<_> = model.components.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(ids, ["in", "ecs", "out"]);
    let [source, ecs, out] = model.components.as_slice() else {
        panic!("{model:?}")
    };
    assert_eq!((source.in_per_second, source.out_per_second), (None, Some(250.0)));
    assert_eq!((source.errors, source.discarded), (Some(1.0), Some(5.0)));
    assert_eq!((ecs.in_flight, ecs.errors), (Some(7.0), Some(3.0)));
    assert_eq!((out.in_per_second, out.out_per_second), (Some(250.0), None));
    assert_eq!(model.wasm[0].batches_per_second, Some(2.5));
    let tenant = &model.tenants[0];
    assert_eq!(tenant.name.as_deref(), Some("contoso"));
    assert_eq!(tenant.requests_per_minute, Some(1_500.0));
    assert_eq!((tenant.failed_requests, tenant.throttled_seconds), (2, 30.0));
    assert_eq!(tenant.token_ends_in_seconds, Some(3_600.0));
}

#[test]
fn feeds_that_need_somebody_come_first() {
    let model = Model::new(Some(&scrape(STARTED, 10, 1_000)), &scrape(STARTED, 12, 1_500));
    let states: Vec<_> = model
        .feeds
        .iter()
        .map(|feed| (feed.content_type.as_str(), feed.state))
        .collect();
    assert_eq!(
        states,
        [
            ("Audit.General", FeedState::Failing),
            ("Audit.Exchange", FeedState::Working),
            ("DLP.All", FeedState::Starting),
        ]
    );
    let [failing, working, starting] = model.feeds.as_slice() else {
        panic!("{model:?}")
    };
    assert_eq!(failing.reason.as_deref(), Some("4 times: no role"));
    assert_eq!(failing.label(), "contoso");
    assert_eq!(
        (working.lag_seconds, working.pending_blobs, working.lost),
        (Some(60.0), 9, 4)
    );
    assert_eq!(working.events_per_second, Some(250.0));
    assert_eq!((starting.lag_seconds, starting.label()), (None, "t2"));
    assert_eq!((model.totals.pending_blobs, model.totals.lost), (9, 4));
    assert_eq!(model.totals.worst_lag_seconds, Some(60.0));
}

/// Nothing is negative, and nothing counts what the process before had counted.
#[test]
fn there_is_no_rate_over_a_restart() {
    for events in [0, 100, 5_000] {
        let model = Model::new(
            Some(&scrape(STARTED, 10, 1_000)),
            &scrape(STARTED + 30, 12, events),
        );
        assert_eq!(model.interval_seconds, None);
        assert_eq!(model.totals.events_in_per_second, None);
        assert!(model.components.iter().all(|row| row.in_per_second.is_none()));
        assert!(model.feeds.iter().all(|feed| feed.events_per_second.is_none()));
        assert!(model.tenants.iter().all(|row| row.requests_per_minute.is_none()));
        assert!(model.wasm.iter().all(|row| row.batches_per_second.is_none()));
    }
}

/// As a reload of the topology may replace one component within a process.
#[test]
fn a_counter_that_begins_again_within_a_process_has_no_rate() {
    let model = Model::new(Some(&scrape(STARTED, 10, 1_000)), &scrape(STARTED, 12, 10));
    assert_eq!(model.interval_seconds, Some(2.0));
    assert_eq!(model.totals.events_in_per_second, None);
}

#[test]
fn the_first_scrape_has_no_rates_and_everything_else() {
    let model = Model::new(None, &scrape(STARTED, 0, 10));
    assert_eq!(model.interval_seconds, None);
    assert_eq!(model.totals.dead_letters, 3.0);
    assert_eq!(model.totals.dead_letter_bytes, Some(2_048.0));
    assert_eq!((model.feeds.len(), model.components.len()), (3, 3));
}
