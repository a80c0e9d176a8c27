//! How often a subscription is started: once a quarter of an hour, whatever happens, but for starts that the service was too
//! ill to make.

use std::time::Duration;

use o365_simulator::{Action, ContentType, FaultRule, Operation, RetryAfter};

use crate::world::World;

fn out_of_order() -> Action {
    Action::Html {
        status: 503,
        retry_after: None,
    }
}

#[tokio::test]
async fn a_start_that_failed_with_the_service_is_made_again() {
    for action in [
        out_of_order(),
        Action::Reset,
        Action::Throttle {
            status: 429,
            retry_after: Some(RetryAfter::Seconds(1)),
        },
    ] {
        let world = World::small(50, |_| {}).await;
        world.faults([FaultRule {
            times: Some(1),
            ..FaultRule::new(Operation::Start, action)
        }]);
        assert_eq!(world.collect().await, world.expected());
        let starts: Vec<_> = world
            .handle()
            .report()
            .starts
            .iter()
            .map(|start| start.in_vain)
            .collect();
        assert_eq!(starts, [true, false]);
        world.assert_well_behaved();
    }
}

/// The answer was lost, the start was not: the list says so, and nothing is started twice.
#[tokio::test]
async fn a_start_whose_answer_was_lost_is_not_made_again() {
    let world = World::small(50, |simulated| simulated.subscribed = false).await;
    world.faults([FaultRule {
        times: Some(1),
        ..FaultRule::new(Operation::Start, Action::Truncate { after: 0 })
    }]);
    assert_eq!(world.collect().await, world.expected());
    assert_eq!(world.handle().report().starts.len(), 1);
}

#[tokio::test]
async fn starts_that_fail_again_and_again_end_after_a_few() {
    let mut world = World::small(50, |_| {}).await;
    world.config.once_give_up_after = Duration::from_mins(2);
    world.faults([FaultRule::new(Operation::Start, out_of_order())]);
    for _ in 0..2 {
        let error = world.once().await.result.unwrap_err().to_string();
        assert!(error.contains("not enabled"), "{error}");
        // Or the clock, which stands still, would seem to have been set back.
        world.handle().advance(Duration::from_mins(1));
    }
    assert_eq!(world.handle().report().starts.len(), 5);
    world.assert_well_behaved();
    world.handle().advance(Duration::from_mins(16));
    world.faults([]);
    assert_eq!(world.collect().await, world.expected());
    assert_eq!(world.handle().report().starts.len(), 6);
    world.assert_well_behaved();
}

/// A refusal is an answer: only an operator can lift it, and the service has counted the call.
#[tokio::test]
async fn a_refused_start_is_not_made_again_for_a_quarter_of_an_hour() {
    let world = World::small(50, |_| {}).await;
    world.faults([FaultRule::new(Operation::Start, Action::AuditLogOff)]);
    assert!(world.once().await.result.is_err());
    world.faults([]);
    // Or the clock, which stands still, would seem to have been set back.
    world.handle().advance(Duration::from_mins(1));
    let error = world.once().await.result.unwrap_err().to_string();
    assert!(error.contains("not enabled"), "{error}");
    assert_eq!(world.handle().report().starts.len(), 1);
    assert!(
        !world
            .handle()
            .is_subscribed(&world.tenants[0], ContentType::Exchange)
            .unwrap()
    );
    world.handle().advance(Duration::from_mins(16));
    assert_eq!(world.collect().await, world.expected());
}
