use std::sync::Arc;

use o365_core::{Sink, testing::sink_contract};

use super::sink::Blackhole;

#[tokio::test]
async fn keeps_the_contract_of_sinks() {
    let documents = (0..10)
        .map(|number| format!("{{\"n\":{number}}}").into())
        .collect();
    let sink = || {
        Box::new(Blackhole {
            key: "hole".into(),
            print_interval: None,
            stats: Arc::default(),
        }) as Sink
    };
    sink_contract(sink, documents).await;
}
