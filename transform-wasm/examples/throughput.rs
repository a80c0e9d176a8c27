//! Events per second on one thread: `cargo run --release --example throughput -- events.ndjson [options]`.

#![expect(clippy::print_stderr, reason = "this is what it is for")]

use std::hint::black_box;
use std::time::Instant;

use o365_ecs::{Context, Mapper};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments
        .next()
        .ok_or("usage: throughput EVENTS.ndjson [OPTIONS-JSON]")?;
    let mapper = Mapper::configure(&arguments.next().unwrap_or_default())?;
    let text = std::fs::read_to_string(path)?;
    let lines: Vec<_> = text.lines().map(str::as_bytes).collect();
    let mut out = Vec::new();
    let mut rates: Vec<_> = (0..9)
        .map(|_| {
            let start = Instant::now();
            for line in &lines {
                out.clear();
                black_box(mapper.map(&Context::default(), line, &mut out));
            }
            lines.len() as f64 / start.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    eprintln!(
        "{:.0} events/s, median of {} rounds over {} events",
        rates[4],
        rates.len(),
        lines.len()
    );
    Ok(())
}
