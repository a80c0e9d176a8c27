//! What the service's own log says of how often it was asked.

use std::time::Duration;

use chrono::TimeDelta;
use o365_core::{
    Capacity, EventStatus, RunMode, ShutdownSignal, SourceSender, channel, config::SourceConfig,
    testing::collect_source,
};
use o365_simulator::SimulatorConfig;
use o365_source::{Backfill, Stats};

use crate::world::{World, distinct, id};

/// Requests per minute and tenant.
const RATE: u32 = 120;

/// How much tokio's time passes in a thousandth of a real second.
const STEP: Duration = Duration::from_millis(120);

/// Runs `work` with time that passes faster, but evenly: paused time left to itself leaps ahead whenever the process
/// waits for its disk. Client and service share a thread, so that a slow machine slows both.
#[expect(
    clippy::disallowed_methods,
    reason = "this makes time pass, and waits for nothing"
)]
pub(crate) async fn faster<T>(work: impl Future<Output = T>) -> T {
    // Time does not leap while a blocking task runs.
    let (ticks, mut tick) = tokio::sync::mpsc::channel(1);
    tokio::task::spawn_blocking(move || {
        while ticks.blocking_send(()).is_ok() {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let pass = async {
        while tick.recv().await.is_some() {
            tokio::time::advance(STEP).await;
        }
    };
    tokio::select! {
        done = work => done,
        () = pass => panic!("time stands still"),
    }
}

/// Two tenants with five feeds each, and more to fetch than three minutes allow.
async fn world() -> World {
    let mut simulated = SimulatorConfig::demo(11, 2, 900);
    simulated.events_per_blob = 2;
    simulated.subscribed = false;
    let mut world = World::start(simulated).await;
    world.config.api.max_requests_per_minute = RATE;
    world
}

#[tokio::test(start_paused = true)]
async fn no_minute_holds_more_requests_than_configured() {
    let world = world().await;
    let collected = faster(world.once_for(Duration::from_hours(1))).await;
    assert!(
        collected.result.is_ok(),
        "{:?}",
        collected.result.map_err(|error| error.to_string())
    );
    let arrived: Vec<_> = collected.documents.iter().map(id).collect();
    assert_eq!(distinct(&arrived), distinct(&world.expected()));

    let report = world.handle().report();
    let longest = report
        .arrivals
        .values()
        .filter_map(|list| list.last())
        .max()
        .unwrap();
    assert!(
        *longest > Duration::from_mins(2),
        "that was no test of a rate: {longest:?}"
    );
    let most = report.most_in_a_minute();
    assert!(most <= RATE as usize, "{most} requests in a minute");
    assert!(
        most * 10 >= RATE as usize * 9,
        "the rate is not used: {most} requests in a minute"
    );
    world.assert_well_behaved();
}

/// Each alone would keep the rate, and both together would not.
#[tokio::test(start_paused = true)]
async fn nor_does_a_minute_of_a_collection_and_a_backfill_beside_it() {
    let world = world().await;
    let now = world.handle().now();
    let mut backfill = world.config.clone();
    backfill.stats = Stats::default();
    backfill.backfill = Some(Backfill::new(now - TimeDelta::hours(30), now - TimeDelta::hours(1)).unwrap());
    backfill.api.max_requests_per_minute = RATE / 4;
    let beside = async {
        // The collection asks as fast as it may by now.
        tokio::time::sleep(Duration::from_secs(40)).await;
        collect_source(
            |out| async {
                let context = world.context(out, RunMode::Once, ShutdownSignal::never());
                backfill.build(context).await.unwrap()
            },
            |_| EventStatus::Delivered,
        )
        .await
    };
    let both = futures_util::future::join(world.once_for(Duration::from_hours(2)), beside);
    let (collected, again) = faster(both).await;
    for (what, result) in [("collection", &collected.result), ("backfill", &again.result)] {
        assert!(
            result.is_ok(),
            "{what}: {:?}",
            result.as_ref().map_err(ToString::to_string)
        );
    }
    assert!(!again.documents.is_empty());
    let report = world.handle().report();
    let most = report.most_in_a_minute();
    assert!(most <= RATE as usize, "{most} requests in a minute");
}

#[tokio::test(start_paused = true)]
async fn nor_does_a_minute_in_which_it_is_killed_again_and_again() {
    let world = world().await;
    let mut arrived = Vec::new();
    for kill in 1..=40_u64 {
        let (sender, mut receiver) = channel(Capacity::default());
        let source = world
            .source(SourceSender::new(sender), RunMode::Once, ShutdownSignal::never())
            .await;
        let mut seen = 0;
        let drain = async {
            while let Some(batch) = receiver.recv().await {
                for mut event in batch {
                    arrived.push(id(&event.to_bytes()));
                    event.finish(EventStatus::Delivered);
                    seen += 1;
                }
                if seen > kill % 13 {
                    return;
                }
            }
        };
        // Dropped in the midst of it: at an event, or even before it has listed anything.
        faster(async {
            tokio::select! {
                result = source => panic!("it ended by itself: {result:?}"),
                () = drain => {}
                () = tokio::time::sleep(Duration::from_secs(1 + kill % 7 * 4)) => {}
            }
        })
        .await;
    }
    let collected = faster(world.once_for(Duration::from_hours(1))).await;
    arrived.extend(collected.documents.iter().map(id));
    assert_eq!(distinct(&arrived), distinct(&world.expected()));

    let report = world.handle().report();
    let most = report.most_in_a_minute();
    assert!(most <= RATE as usize, "{most} requests in a minute");
    assert_eq!(report.starts.len(), 10, "each feed is started once");
    world.assert_well_behaved();
}
