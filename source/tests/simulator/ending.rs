//! A single run ends, whatever the service does: with what can be had, and with the name of what cannot.

use std::time::Duration;

use o365_simulator::{Action, ContentType, FaultRule, Operation};

use crate::{
    rate::faster,
    world::{World, distinct, ids},
};

fn out_of_order() -> Action {
    Action::Html {
        status: 503,
        retry_after: None,
    }
}

/// What else was listed is progress once, and waits do not grow beyond what the run may take.
#[tokio::test(start_paused = true)]
async fn one_window_that_is_never_listed_ends_a_single_run() {
    let mut world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.config.once_give_up_after = Duration::from_mins(5);
    // The windows are listed in turn; from then on the first one is what is left.
    let first = FaultRule {
        nth: Some(1),
        ..FaultRule::new(Operation::ListContent, out_of_order())
    };
    let again = FaultRule {
        from: Some(30),
        ..FaultRule::new(Operation::ListContent, out_of_order())
    };
    world.faults([first, again]);
    let began = tokio::time::Instant::now();
    let collected = faster(world.once_for(Duration::from_hours(2))).await;
    let took = began.elapsed();
    let error = collected.result.unwrap_err().to_string();
    assert!(error.contains("503"), "{error}");
    assert!(took < Duration::from_mins(15), "{took:?}");
    // Nothing of it was held up.
    let arrived = distinct(&ids(&collected.documents));
    assert_eq!(arrived, distinct(&world.expected()));
}

/// It was started a moment ago, and may not be started again for a quarter of an hour.
#[tokio::test]
async fn a_subscription_that_is_disabled_at_once_ends_a_single_run() {
    let mut world = World::small(100, |simulated| simulated.events_per_blob = 10).await;
    world.config.once_give_up_after = Duration::from_secs(3);
    world.faults([FaultRule {
        content_type: Some(ContentType::Exchange),
        nth: Some(3),
        ..FaultRule::new(Operation::FetchBlob, Action::DisableSubscription)
    }]);
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(
        error.contains("AF20023") || error.contains("not enabled"),
        "{error}"
    );
    assert_eq!(world.handle().report().starts.len(), 1);
    world.handle().advance(Duration::from_mins(16));
    world.faults([]);
    // Blobs that are tried before the subscription is back wait for seconds, longer with each refusal before.
    world.config.once_give_up_after = Duration::from_secs(30);
    let rest = world.collect().await;
    assert!(!rest.is_empty() && rest.len() < 100, "{}", rest.len());
    world.assert_well_behaved();
}
