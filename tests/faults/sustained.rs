//! What goes wrong all the time, and not just for a while: the run ends nevertheless, and has everything.

use o365_simulator::{Action, Count, FaultRule, Operation};

use super::{
    PASSES, Scenario, hold,
    travel::{anywhere, html},
};

/// So many in a hundred of all requests, to the end.
fn always(percent: u8, action: Action) -> Vec<FaultRule> {
    anywhere(&FaultRule {
        percent: Some(percent),
        action: Some(action),
        ..FaultRule::default()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_that_never_end_are_outlasted() {
    hold([Scenario {
        name: "three in ten requests are a 500, 502, 503 or 504",
        faults: |_| {
            [500, 502, 503, 504]
                .map(|status| always(8, html(status)))
                .concat()
        },
        ..PASSES
    }])
    .await;
}

/// At most one start a feed takes effect in a quarter of an hour, and yet one that failed does not cost as long.
#[tokio::test(flavor = "multi_thread")]
async fn starts_that_fail_are_made_again() {
    hold([Scenario {
        name: "the first two starts of every feed are a 503",
        faults: |_| {
            vec![FaultRule {
                count: Count::Feed,
                times: Some(2),
                ..FaultRule::new(Operation::Start, html(503))
            }]
        },
        ..PASSES
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_never_hold_are_outlasted() {
    hold([Scenario {
        name: "one in five connections is reset",
        faults: |_| always(20, Action::Reset),
        ..PASSES
    }])
    .await;
}
