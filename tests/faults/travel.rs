//! What goes wrong on the way: errors that pass, limits, connections that break, tokens that run out.

use std::time::Duration;

use o365_simulator::{Action, Count, FaultRule, Operation, RetryAfter};

use super::{PASSES, Scenario, hold};

/// `rule` for every operation but starting: a start that failed is repeated after 15 minutes only, as documented.
pub(super) fn anywhere(rule: &FaultRule) -> Vec<FaultRule> {
    [
        Operation::Token,
        Operation::ListSubscriptions,
        Operation::ListContent,
        Operation::FetchBlob,
    ]
    .into_iter()
    .map(|on| FaultRule {
        on: Some(on),
        ..rule.clone()
    })
    .collect()
}

/// Of `every` requests the one after `from`.
fn some(every: u64, from: u64, action: Action) -> Vec<FaultRule> {
    anywhere(&FaultRule {
        every: Some(every),
        from: Some(from),
        // Or back-off becomes longer than a test may take.
        times: Some(8),
        action: Some(action),
        ..FaultRule::default()
    })
}

/// A gateway's page.
pub(super) fn html(status: u16) -> Action {
    Action::Html {
        status,
        retry_after: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_service_pass() {
    hold([Scenario {
        name: "every third request is a 500",
        faults: |_| some(3, 1, html(500)),
        ..PASSES
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_break_are_made_again() {
    hold([
        Scenario {
            name: "every fifth request is reset",
            faults: |_| some(5, 1, Action::Reset),
            ..PASSES
        },
        Scenario {
            name: "the first body of every blob is cut",
            faults: |_| {
                vec![FaultRule {
                    count: Count::Blob,
                    times: Some(1),
                    ..FaultRule::new(Operation::FetchBlob, Action::Truncate { after: 700 })
                }]
            },
            ..PASSES
        },
        Scenario {
            name: "listings are cut",
            faults: |_| {
                vec![FaultRule {
                    count: Count::Feed,
                    times: Some(2),
                    ..FaultRule::new(Operation::ListContent, Action::Truncate { after: 1 })
                }]
            },
            ..PASSES
        },
        Scenario {
            name: "bodies drip",
            faults: |_| {
                vec![FaultRule {
                    every: Some(4),
                    ..FaultRule::new(
                        Operation::FetchBlob,
                        Action::SlowBody {
                            pieces: 20,
                            pause_ms: 50,
                        },
                    )
                }]
            },
            ..PASSES
        },
    ])
    .await;
}

fn throttle(status: u16, retry_after: Option<RetryAfter>) -> FaultRule {
    FaultRule {
        from: Some(2),
        times: Some(2),
        count: Count::Tenant,
        ..FaultRule::new(Operation::FetchBlob, Action::Throttle { status, retry_after })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_waited_for() {
    hold([
        Scenario {
            name: "429 with a wait",
            faults: |_| vec![throttle(429, Some(RetryAfter::Seconds(1)))],
            told: "throttled",
            ..PASSES
        },
        Scenario {
            name: "AF429 under 403 with a date",
            faults: |_| vec![throttle(403, Some(RetryAfter::DateInSeconds(2)))],
            told: "throttled",
            ..PASSES
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_without_a_wait_is_waited_for() {
    hold([Scenario {
        name: "AF429 as observed",
        faults: |_| {
            vec![FaultRule {
                times: Some(1),
                ..throttle(403, None)
            }]
        },
        told: "throttled",
        ..PASSES
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_run_out_in_the_middle() {
    hold([
        Scenario {
            name: "tokens live for two seconds and pages are slow",
            world: |world| {
                world.token_lifetime = Duration::from_secs(2);
                world.page_size = 1;
            },
            faults: |_| {
                vec![
                    FaultRule {
                        on: Some(Operation::ListContent),
                        delay_ms: 400,
                        every: Some(3),
                        action: None,
                        ..FaultRule::default()
                    },
                    FaultRule::new(Operation::Token, Action::TokenLifetime { secs: 2 }),
                ]
            },
            ..PASSES
        },
        Scenario {
            name: "a page and a blob are refused once",
            world: |world| world.page_size = 1,
            faults: |_| {
                let once = |on, nth| FaultRule {
                    nth: Some(nth),
                    count: Count::Tenant,
                    ..FaultRule::new(on, Action::Unauthorized)
                };
                vec![once(Operation::ListContent, 2), once(Operation::FetchBlob, 5)]
            },
            told: "access token refused",
            ..PASSES
        },
    ])
    .await;
}
