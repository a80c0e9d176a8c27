//! The `http` sink against a server that is cut off, goes down, and is slow: nothing is lost, and what is there twice is what
//! the server had taken without being able to say so: the same document under the same id, so that a server that keeps one
//! document for an id has nothing extra.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::StatusCode, routing::post};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    numbered::{Fed, Tally, events, feed, program},
    proxy::Proxy,
    support::{PATIENCE, wait_for},
};

/// What came.
#[derive(Debug)]
struct Received {
    /// Without one events are only counted, which costs a server hardly anything.
    tally: Option<Mutex<Tally>>,
    events: AtomicU64,
    latency: Duration,
}

async fn take(State(received): State<Arc<Received>>, body: Bytes) -> StatusCode {
    if !received.latency.is_zero() {
        tokio::time::sleep(received.latency).await;
    }
    let lines = body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let count = match &received.tally {
        Some(tally) => {
            let mut tally = tally.lock().unwrap();
            lines.inspect(|line| tally.add(line)).count()
        }
        None => lines.count(),
    };
    received.events.fetch_add(count as u64, Ordering::Relaxed);
    StatusCode::OK
}

/// A server, as long as the guard lives.
async fn serve(latency: Duration, tally: Option<Mutex<Tally>>) -> (Arc<Received>, SocketAddr, JoinSet<()>) {
    let received = Arc::new(Received {
        tally,
        events: AtomicU64::new(0),
        latency,
    });
    let router = Router::new()
        .route("/", post(take))
        .layer(axum::extract::DefaultBodyLimit::disable())
        .with_state(Arc::clone(&received));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut guard = JoinSet::new();
    guard.spawn(async move { axum::serve(listener, router).await.unwrap() });
    (received, address, guard)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_cut_off_and_goes_down_gets_every_event() {
    let events = events(200_000);
    let (received, address, _guard) = serve(Duration::from_millis(5), Some(Mutex::default())).await;
    let proxy = Proxy::to(address).await;
    let dir = tempfile::tempdir().unwrap();
    let sink = format!(
        "type: http, uri: \"http://{}/\", compression: none, batch: {{ max_events: 200, timeout: 50ms }}, \
         request: {{ retry_initial_backoff: 10ms, retry_max_duration: 200ms }}",
        proxy.address()
    );
    let mut child = program(dir.path(), &sink).spawn().unwrap();
    let disturb = async {
        let count = || received.events.load(Ordering::Relaxed);
        for number in 1..=23 {
            let goal = events * number / 25;
            wait_for(|| count() >= goal, || format!("{} of {goal}", count())).await;
            if number % 8 == 0 {
                proxy.refuse(true);
                // Until it was tried again for some time.
                let tried = proxy.refused() + 5;
                wait_for(|| proxy.refused() >= tried, || "nobody came".to_owned()).await;
                proxy.refuse(false);
            } else {
                proxy.cut();
            }
        }
        proxy.cut()
    };
    let fed = Fed::default();
    let work = async { tokio::join!(feed(&mut child, events, &fed), disturb) };
    let ((), cut) = tokio::time::timeout(PATIENCE * 3, work).await.unwrap();
    let tally = received.tally.as_ref().unwrap().lock().unwrap();
    let (lost, twice) = (tally.lost(events), tally.extra());
    eprintln!(
        "{events} events, {cut} connections cut while open, {lost} lost, {twice} delivered more than once, unchanged"
    );
    assert_eq!(lost, 0);
    assert!(cut >= 20, "only {cut} connections were cut");
    // At most what was on its way on the connections that were cut.
    assert!(twice <= cut * 200, "{twice} of {cut} connections");
}

/// The same work with a blackhole and with a server that answers after 10 ms: the sink is not what limits. Measures, so it
/// runs alone: `cargo test -p o365-host --test end_to_end -- --ignored --nocapture slow_server`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures, and must run alone"]
async fn a_slow_server_is_no_slow_sink() {
    let events = events(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let mut rates = Vec::new();
    for _ in 0..3 {
        let (received, address, _guard) = serve(Duration::from_millis(10), None).await;
        for sink in [
            "type: blackhole".to_owned(),
            format!("type: http, uri: \"http://{address}/\", batch: {{ timeout: 100ms }}"),
        ] {
            let mut child = program(dir.path(), &sink).spawn().unwrap();
            let began = Instant::now();
            tokio::time::timeout(PATIENCE, feed(&mut child, events, &Fed::default()))
                .await
                .unwrap();
            rates.push(events as f64 / began.elapsed().as_secs_f64());
        }
        assert_eq!(received.events.load(Ordering::Relaxed), events);
    }
    let median = |at: usize| {
        let mut rates: Vec<_> = rates.iter().skip(at).step_by(2).copied().collect();
        rates.sort_by(f64::total_cmp);
        rates[1]
    };
    let (blackhole, http) = (median(0), median(1));
    eprintln!(
        "{blackhole:.0} events/s into a blackhole, {http:.0} events/s to a server with 10 ms, {:.2}",
        http / blackhole
    );
    // One request at a time would allow 1,000 events in a bit more than 10 ms. The server of this test is beside the program on
    // the same cores.
    assert!(http > 1_000.0 / 0.010, "{http:.0} of {blackhole:.0}");
}
