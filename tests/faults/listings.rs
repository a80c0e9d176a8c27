//! Listings that lead to themselves or begin with nothing.

use o365_simulator::{Action, Count, FaultRule, Operation};

use super::{PASSES, Scenario, hold};

fn once_a_feed(action: Action) -> FaultRule {
    FaultRule {
        count: Count::Feed,
        times: Some(1),
        ..FaultRule::new(Operation::ListContent, action)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_go_wrong_cost_nothing() {
    hold([
        Scenario {
            name: "a page leads to itself",
            faults: |_| vec![once_a_feed(Action::SelfReferencingPage)],
            ..PASSES
        },
        Scenario {
            name: "the address of the second page is stale",
            world: |world| {
                world.page_size = 1;
                world.events_per_blob = 4;
            },
            faults: |_| {
                let stale = Action::Error {
                    code: "AF20031".to_owned(),
                    status: None,
                    message: None,
                };
                vec![FaultRule {
                    page: Some(2),
                    ..once_a_feed(stale)
                }]
            },
            ..PASSES
        },
        Scenario {
            name: "an empty page comes first",
            faults: |_| vec![FaultRule::new(Operation::ListContent, Action::EmptyPageFirst)],
            ..PASSES
        },
    ])
    .await;
}
