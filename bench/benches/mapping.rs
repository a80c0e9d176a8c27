//! Every contestant on every workload, with criterion's statistics: `cargo bench -p o365-bench`.

use std::time::Duration;

use criterion::{Criterion, Throughput};
use o365_bench::{contestants, corpus};

fn main() -> anyhow::Result<()> {
    let mut criterion = Criterion::default().configure_from_args();
    let mut workloads = corpus::simulated(1_000)?;
    workloads.extend(corpus::real()?);
    let mut contestants = contestants::all("builtin:ecs")?;
    for workload in &workloads {
        let batches = workload.corpus.batches(128);
        let mut group = criterion.benchmark_group(workload.name);
        group.throughput(Throughput::Elements(
            batches.iter().map(|batch| batch.len() as u64).sum(),
        ));
        // Five minutes for all of them.
        group
            .sample_size(20)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(3));
        for contestant in &mut contestants {
            group.bench_function(contestant.name, |bencher| {
                bencher.iter(|| {
                    for batch in &batches {
                        contestant.run(batch).expect("the workload is mapped");
                    }
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
    Ok(())
}
