use std::hint::black_box;
use std::time::Instant;
fn main() {
    let text = std::fs::read_to_string(std::env::args().nth(1).unwrap()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    let m = o365_ecs::Mapper::configure(&std::env::args().nth(2).unwrap()).unwrap();
    let c = o365_ecs::Context::default();
    let mut out = Vec::new();
    let (mut a, mut b) = (f64::MAX, f64::MAX);
    for _ in 0..25 {
        let t = Instant::now();
        for l in &lines {
            out.clear();
            let v: serde_json::Value = serde_json::from_str(l).unwrap();
            serde_json::to_writer(&mut out, &v).unwrap();
            black_box(&out);
        }
        a = a.min(t.elapsed().as_secs_f64());
        let t = Instant::now();
        for l in &lines {
            out.clear();
            black_box(m.map(&c, l.as_bytes(), &mut out));
        }
        b = b.min(t.elapsed().as_secs_f64());
    }
    let n = lines.len() as f64;
    println!(
        "value roundtrip {:.0}/s  map {:.0}/s ratio {:.2}",
        n / a,
        n / b,
        a / b
    );
}
