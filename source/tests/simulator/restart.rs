//! Whatever dies when: nothing is lost, and little is repeated.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use chrono::TimeDelta;
use o365_core::{
    Capacity, EventStatus, LogEvent, RunMode, ShutdownSignal, ShutdownTrigger, SourceSender, channel,
};
use o365_simulator::{Action, FaultRule, Operation};

use crate::{
    collectors::add,
    world::{PATIENCE, World, counts, distinct, id, ids},
};

async fn busy_world() -> World {
    World::small(600, |simulated| {
        simulated.duplicate_percent = 10;
        simulated.events_per_blob = 10;
        simulated.page_size = 7;
    })
    .await
}

#[tokio::test]
async fn a_kill_loses_nothing_and_repeats_at_most_the_blobs_in_flight() {
    let world = busy_world().await;
    let mut arrived = Vec::new();
    let mut acknowledged = Vec::new();
    for kill_after in [1, 15, 40, 90] {
        let (sender, mut receiver) = channel(Capacity {
            events: 8,
            bytes: 1 << 20,
        });
        let source = world
            .source(SourceSender::new(sender), RunMode::Once, ShutdownSignal::never())
            .await;
        let mut seen = 0;
        let drain = async {
            while let Some(batch) = receiver.recv().await {
                for mut event in batch {
                    arrived.push(id(&event.to_bytes()));
                    acknowledged.push(event.metadata().origin().content_id.clone().unwrap());
                    event.finish(EventStatus::Delivered);
                    seen += 1;
                }
                if seen >= kill_after {
                    return;
                }
            }
        };
        // Dropped in the midst of it, with everything that was on its way.
        tokio::select! {
            result = source => panic!("it ended by itself: {result:?}"),
            () = drain => {}
            () = tokio::time::sleep(PATIENCE) => panic!("nothing arrives"),
        }
    }
    arrived.extend(world.collect().await);
    assert_eq!(distinct(&arrived), distinct(&world.expected()));
    let repeated = counts(&arrived).values().filter(|count| **count > 1).count();
    // Four kills, and per feed at most 32 blobs of about ten events on their way.
    assert!(repeated < 4 * 32 * 20, "{repeated}");
    assert_eq!(world.collect().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_clean_stop_repeats_nothing() {
    let world = busy_world().await;
    let mut arrived = Vec::new();
    for stop_after in [1, 100, 200] {
        let stop = ShutdownTrigger::new();
        let (sender, mut receiver) = channel(Capacity {
            events: 8,
            bytes: 1 << 20,
        });
        let source = world
            .source(SourceSender::new(sender), RunMode::Continuous, stop.signal())
            .await;
        let mut seen = 0;
        let drain = async {
            let mut held: Vec<LogEvent> = Vec::new();
            while let Some(batch) = receiver.recv().await {
                for mut event in batch {
                    arrived.push(id(&event.to_bytes()));
                    held.push(event);
                    seen += 1;
                }
                if seen >= stop_after {
                    stop.shutdown();
                }
            }
            // A sink that answers only when its input has ended.
            for event in held {
                event.finish(EventStatus::Delivered);
            }
        };
        let (result, ()) = tokio::time::timeout(PATIENCE, futures_util::future::join(source, drain))
            .await
            .expect("a stop must end the source");
        result.unwrap();
    }
    arrived.extend(world.collect().await);
    arrived.sort();
    assert_eq!(arrived, world.expected());
}

/// Runs once with a sink that answers only when its input has ended. Returns how many events it got.
async fn answered_at_the_end(world: &World) -> usize {
    let (sender, mut receiver) = channel(Capacity::default());
    let source = world
        .source(SourceSender::new(sender), RunMode::Once, ShutdownSignal::never())
        .await;
    let drain = async {
        let mut held: Vec<LogEvent> = Vec::new();
        while let Some(batch) = receiver.recv().await {
            held.extend(batch);
        }
        let count = held.len();
        for event in held {
            event.finish(EventStatus::Delivered);
        }
        count
    };
    let (result, count) = tokio::time::timeout(PATIENCE, futures_util::future::join(source, drain))
        .await
        .expect("a single run ends");
    result.expect("it is complete");
    count
}

#[tokio::test]
async fn a_sink_that_answers_only_at_its_end_does_not_hang_a_single_run() {
    let world = World::small(100, |simulated| simulated.events_per_blob = 20).await;
    assert_eq!(answered_at_the_end(&world).await, 100);
    assert_eq!(world.collect().await, Vec::<String>::new());
}

/// A blob with events of another one waits for its end, which such a sink brings when nothing is to come any more.
#[tokio::test]
async fn nor_does_it_when_events_come_again() {
    let world = World::small(0, |_| {}).await;
    for _ in 0..2 {
        add(&world, TimeDelta::hours(2), &["a", "b"]);
    }
    assert_eq!(answered_at_the_end(&world).await, 2);
    assert_eq!(world.collect().await, Vec::<String>::new());
}

#[tokio::test]
async fn events_that_were_not_delivered_come_again() {
    let world = busy_world().await;
    let failures = AtomicUsize::new(0);
    let mut delivered = Vec::<Bytes>::new();
    let collected = world
        .once_with(|event| {
            // Some of the first ones fail.
            if failures.fetch_add(1, Ordering::Relaxed) < 30 {
                return EventStatus::Errored;
            }
            delivered.push(event.to_bytes());
            EventStatus::Delivered
        })
        .await;
    assert!(collected.result.is_ok(), "{:?}", collected.result);
    assert_eq!(distinct(&ids(&delivered)), distinct(&world.expected()));
}

#[tokio::test]
async fn a_rejected_or_dropped_event_is_done() {
    let world = World::small(60, |_| {}).await;
    let mut turn = 0;
    let collected = world
        .once_with(|_| {
            turn += 1;
            if turn % 2 == 0 {
                EventStatus::Rejected
            } else {
                EventStatus::Dropped
            }
        })
        .await;
    assert!(collected.result.is_ok());
    assert_eq!(collected.documents.len(), 60);
    assert_eq!(world.collect().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_running_source_finds_what_comes_later() {
    let world = World::small(100, |simulated| simulated.upcoming = Duration::from_hours(2)).await;
    let stop = ShutdownTrigger::new();
    let (sender, mut receiver) = channel(Capacity::default());
    let source = world
        .source(SourceSender::new(sender), RunMode::Continuous, stop.signal())
        .await;
    let expected = world.expected();
    let drain = async {
        let mut arrived = Vec::new();
        while let Some(batch) = receiver.recv().await {
            for mut event in batch {
                arrived.push(id(&event.to_bytes()));
                event.finish(EventStatus::Delivered);
            }
            world.handle().advance(Duration::from_mins(30));
            if arrived.len() == expected.len() {
                stop.shutdown();
            }
        }
        arrived.sort();
        arrived
    };
    let (result, arrived) = tokio::time::timeout(PATIENCE, futures_util::future::join(source, drain))
        .await
        .unwrap();
    result.unwrap();
    assert_eq!(arrived, expected);
    world.assert_well_behaved();
}

#[tokio::test]
async fn a_downtime_is_made_up_for_and_a_longer_one_is_a_gap() {
    let world = World::small(100, |simulated| {
        simulated.history = Duration::from_hours(2);
        simulated.upcoming = Duration::from_hours(150);
    })
    .await;
    let mut arrived = world.collect().await;
    world.handle().advance(Duration::from_hours(151));
    arrived.extend(world.collect().await);
    arrived.sort();
    assert_eq!(arrived, world.expected());
    assert_eq!(world.feed().gaps, []);

    world.handle().advance(Duration::from_hours(8 * 24));
    assert_eq!(world.collect().await, Vec::<String>::new());
    let gaps = world.feed().gaps;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
}

#[tokio::test]
async fn a_stop_while_the_service_is_away_is_quick() {
    let world = busy_world().await;
    world.faults([FaultRule::new(
        Operation::Token,
        Action::Html {
            status: 503,
            retry_after: None,
        },
    )]);
    let stop = ShutdownTrigger::new();
    let (sender, mut receiver) = channel(Capacity::default());
    let source = world
        .source(SourceSender::new(sender), RunMode::Continuous, stop.signal())
        .await;
    let stopped = Arc::new(AtomicBool::new(false));
    let control = async {
        while world.handle().report().token_requests == 0 {
            tokio::task::yield_now().await;
        }
        stop.shutdown();
        stopped.store(true, Ordering::Relaxed);
        assert!(receiver.recv().await.is_none());
    };
    let (result, ()) = tokio::time::timeout(PATIENCE, futures_util::future::join(source, control))
        .await
        .unwrap();
    result.unwrap();
    assert!(stopped.load(Ordering::Relaxed));
}

#[tokio::test]
async fn a_ledger_has_one_owner() {
    let world = World::small(20, |_| {}).await;
    let stop = ShutdownTrigger::new();
    let (sender, mut receiver) = channel(Capacity::default());
    let first = world
        .source(SourceSender::new(sender), RunMode::Continuous, stop.signal())
        .await;
    let second = async {
        drop(receiver.recv().await);
        let error = world.once().await.result.unwrap_err();
        let reason = error.source().unwrap().to_string();
        assert!(reason.contains("another process"), "{reason}");
        stop.shutdown();
        while receiver.recv().await.is_some() {}
    };
    let (result, ()) = tokio::time::timeout(PATIENCE, futures_util::future::join(first, second))
        .await
        .unwrap();
    result.unwrap();
}
