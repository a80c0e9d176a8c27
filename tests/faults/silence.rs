//! A service that is away, or that answers nothing.

use o365_simulator::{Action, Count, FaultRule, Operation};

use super::{PASSES, Scenario, hold, travel::html};

/// Whatever is asked, from so many milliseconds after the beginning on, for two seconds.
fn outage(after_ms: u64, action: Action) -> Vec<FaultRule> {
    vec![FaultRule {
        after_ms: Some(after_ms),
        until_ms: Some(after_ms + 2_000),
        action: Some(action),
        ..FaultRule::default()
    }]
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_everything_is_outlasted() {
    hold([
        Scenario {
            name: "nothing can be reached at first",
            faults: |_| outage(0, Action::Reset),
            ..PASSES
        },
        Scenario {
            name: "everything is unavailable in the middle",
            // Or it is over before the outage begins.
            world: |world| world.events_per_blob = 1,
            faults: |_| {
                let slow = FaultRule {
                    on: Some(Operation::FetchBlob),
                    delay_ms: 100,
                    ..FaultRule::default()
                };
                [outage(400, html(503)), vec![slow]].concat()
            },
            ..PASSES
        },
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_holds_up_only_what_it_hangs_on() {
    hold([Scenario {
        name: "a request of every tenant hangs for longer than anybody waits",
        prepare: |lab| {
            let path = lab.path("pipeline.yaml");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(
                &path,
                text.replace("poll_interval: 1s", "poll_interval: 1s, read_timeout: 1s"),
            )
            .unwrap();
        },
        faults: |_| {
            [Operation::Token, Operation::ListContent, Operation::FetchBlob]
                .map(|on| FaultRule {
                    count: Count::Tenant,
                    nth: Some(1),
                    ..FaultRule::new(on, Action::Hang { secs: 3_600 })
                })
                .to_vec()
        },
        ..PASSES
    }])
    .await;
}
