//! Lays out the blobs of a world: how many events each holds and when it was created.

use std::sync::Arc;

use crate::config::SimulatorConfig;
use crate::content_type::ContentType;
use crate::error::SimulatorError;
use crate::files;
use crate::generate;
use crate::random::{self, Random};
use crate::world::{Blob, Echo, Feed, Source, World};

/// The stretch of time over which blobs are created.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    first: i64,
    span: i64,
}

pub(super) fn build(config: &SimulatorConfig) -> Result<World, SimulatorError> {
    let millis = |duration: std::time::Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4);
    let now = config.clock.now().timestamp_millis();
    let stretch = Stretch {
        first: now - millis(config.history),
        span: (millis(config.history) + millis(config.upcoming)).max(1),
    };
    let mut feeds = Vec::with_capacity(config.tenants.len() * ContentType::ALL.len());
    let mut next_event = 0;

    let weights: Vec<_> = config
        .tenants
        .iter()
        .map(|tenant| u64::from(tenant.weight))
        .collect();
    for (tenant, events) in split(config.events, &weights).into_iter().enumerate() {
        let shares: Vec<_> = ContentType::ALL
            .iter()
            .map(|kind| {
                if config.content_types.contains(kind) {
                    generate::share_of(*kind)
                } else {
                    0
                }
            })
            .collect();
        for (content_type, events) in ContentType::ALL.into_iter().zip(split(events, &shares)) {
            let mut feed = Feed::new(tenant, content_type, config.subscribed);
            generated(config, stretch, &mut feed, next_event, events);
            next_event += events;
            feeds.push(feed);
        }
    }
    let mut world = World { feeds, next_event };
    from_files(config, stretch, &mut world)?;
    Ok(world)
}

/// Splits `total` by weight, exactly: the parts add up to the whole.
fn split(total: u64, weights: &[u64]) -> Vec<u64> {
    let sum: u128 = weights
        .iter()
        .map(|weight| u128::from(*weight))
        .sum::<u128>()
        .max(1);
    let (mut before, mut given) = (0_u128, 0_u64);
    weights
        .iter()
        .map(|weight| {
            before += u128::from(*weight);
            let upto = u64::try_from(u128::from(total) * before / sum).unwrap_or(total);
            let part = upto - given;
            given = upto;
            part
        })
        .collect()
}

fn generated(config: &SimulatorConfig, stretch: Stretch, feed: &mut Feed, first: u64, events: u64) {
    let coordinates = [
        config.seed,
        feed.tenant as u64,
        feed.content_type.index() as u64,
        0x0062_6c6f_6273,
    ];
    let mut random = Random::new(random::hash(&coordinates));
    let mut sizes = Vec::new();
    let mut left = events;
    while left > 0 {
        let size = (1 + random.below(2 * u64::from(config.events_per_blob) - 1)).min(left);
        sizes.push(u32::try_from(size).unwrap_or(u32::MAX));
        left -= size;
    }
    let times = creations(&mut random, stretch, sizes.len());
    let mut next = first;
    let mut previous: Option<(u64, u32, i64)> = None;
    let mut blobs = Vec::with_capacity(sizes.len());
    for (count, created) in sizes.into_iter().zip(times) {
        let echoes: Arc<[Echo]> = previous
            .into_iter()
            .flat_map(|(first, count, created)| {
                (first..first + u64::from(count)).map(move |index| Echo { index, created })
            })
            .filter(|echo| {
                random::hash(&[config.seed, echo.index, 0x6563_686f]) % 100
                    < u64::from(config.duplicate_percent)
            })
            .collect();
        previous = Some((next, count, created));
        let late = random.below(100) < u64::from(config.late_percent);
        blobs.push(blob(
            config,
            created,
            late,
            Source::Generated {
                first: next,
                count,
                echoes,
            },
        ));
        next += u64::from(count);
    }
    // In order, or every insertion would move half of the others.
    blobs.sort_by_key(|blob| blob.created);
    for blob in blobs {
        feed.insert(blob);
    }
}

fn blob(config: &SimulatorConfig, created: i64, late: bool, source: Source) -> Blob {
    let delay = if late {
        i64::try_from(config.late_by.as_millis()).unwrap_or(0)
    } else {
        0
    };
    Blob {
        created,
        visible_from: created + delay,
        expires: created + i64::try_from(config.retention.as_millis()).unwrap_or(i64::MAX / 4),
        seq: 0,
        custom_id: None,
        source,
        listed: 0,
        requested: 0,
        fetched: 0,
    }
}

/// `count` instants over the stretch. Some coincide to the millisecond and some lie exactly on an hour, because that is
/// where clients lose blobs.
fn creations(random: &mut Random, stretch: Stretch, count: usize) -> Vec<i64> {
    const HOUR: i64 = 3_600_000;
    let total = i64::try_from(count.max(1)).unwrap_or(i64::MAX);
    let mut previous = stretch.first;
    (0..total)
        .take(count)
        .map(|index| {
            let scaled = i128::from(stretch.span) * i128::from(index) / i128::from(total);
            let step = u64::try_from(stretch.span / total).unwrap_or(0).max(1);
            let spread = stretch.first + i64::try_from(scaled).unwrap_or(0);
            let spread = spread + i64::try_from(random.below(step)).unwrap_or(0);
            let on_the_hour = spread - spread.rem_euclid(HOUR);
            let created = match index % 17 {
                7 => previous,
                12 if on_the_hour >= stretch.first => on_the_hour,
                _ => spread,
            };
            previous = created;
            created
        })
        .collect()
}

/// Routes the lines of all files: by `OrganizationId` if the tenant exists, else to the first tenant.
fn from_files(config: &SimulatorConfig, stretch: Stretch, world: &mut World) -> Result<(), SimulatorError> {
    for (file, path) in config.files.iter().enumerate() {
        let mut routed: Vec<Vec<files::Span>> = world.feeds.iter().map(|_| Vec::new()).collect();
        files::index(path, |line| {
            let tenant = config
                .tenants
                .iter()
                .position(|tenant| {
                    line.organization
                        .as_ref()
                        .is_some_and(|id| id.eq_ignore_ascii_case(&tenant.id))
                })
                .unwrap_or(0);
            routed[tenant * ContentType::ALL.len() + line.content_type.index()].push(line.span);
        })?;
        for (feed, spans) in world.feeds.iter_mut().zip(routed) {
            let coordinates = [
                config.seed,
                feed.tenant as u64,
                feed.content_type.index() as u64,
                file as u64,
            ];
            let mut random = Random::new(random::hash(&coordinates));
            let chunks: Vec<_> = spans.chunks(config.events_per_blob as usize).collect();
            let times = creations(&mut random, stretch, chunks.len());
            for (spans, created) in chunks.into_iter().zip(times) {
                feed.insert(blob(
                    config,
                    created,
                    false,
                    Source::Lines {
                        file,
                        spans: spans.into(),
                    },
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_exactly() {
        for total in [0, 1, 7, 1_000_003] {
            for weights in [vec![1], vec![20, 34, 28, 14, 4], vec![0, 3, 0], vec![7; 33]] {
                let parts = split(total, &weights);
                assert_eq!(
                    parts.iter().sum::<u64>(),
                    total,
                    "{total} by {weights:?}: {parts:?}"
                );
                assert!(
                    parts
                        .iter()
                        .zip(&weights)
                        .all(|(part, weight)| *weight > 0 || *part == 0)
                );
            }
        }
    }

    #[test]
    fn blobs_lie_within_the_stretch_share_instants_and_meet_hours() {
        let mut config = SimulatorConfig::demo(5, 2, 20_000);
        config.events_per_blob = 10;
        let world = build(&config).unwrap();
        let now = config.clock.now().timestamp_millis();
        let (mut twins, mut hours, mut all) = (0, 0, 0);
        for feed in &world.feeds {
            let created: Vec<_> = feed.blobs().iter().map(|blob| blob.created).collect();
            assert!(created.is_sorted());
            assert!(created.iter().all(|at| now - 48 * 3_600_000 <= *at && *at < now));
            twins += created.windows(2).filter(|pair| pair[0] == pair[1]).count();
            hours += created.iter().filter(|at| *at % 3_600_000 == 0).count();
            all += created.len();
        }
        assert!(
            all > 1_500 && twins > 20 && hours > 20,
            "{all} blobs, {twins} twins, {hours} on the hour"
        );
    }

    #[test]
    fn a_million_events_are_a_plan_not_a_memory() {
        let mut config = SimulatorConfig::demo(5, 3, 1_000_000);
        config.events_per_blob = 100;
        let world = build(&config).unwrap();
        let mut events = 0;
        for blob in world.feeds.iter().flat_map(Feed::blobs) {
            let Source::Generated { count, .. } = &blob.source else {
                panic!("{blob:?} is not lazy")
            };
            events += u64::from(*count);
        }
        assert_eq!((events, world.next_event), (1_000_000, 1_000_000));
    }
}
