use std::{io::Write, sync::Arc};

use futures_util::StreamExt;
use o365_core::{
    EventStatus, Sink,
    testing::{Refused, sink_contract, tracked_batch},
};

use super::sink::Console;
use crate::encoding::{Codec, Encoding};

fn sink(writer: impl Write + Send + 'static) -> Sink {
    Box::new(Console {
        encoding: Encoding { codec: Codec::Json },
        colour: false,
        stats: Arc::default(),
        writer: Box::new(writer),
    })
}

#[tokio::test]
async fn keeps_the_contract_of_sinks() {
    let documents = (0..10)
        .map(|number| format!("{{\"n\":{number}}}").into())
        .collect();
    sink_contract(|| sink(std::io::sink()), documents).await;
}

#[tokio::test]
async fn what_a_closed_pipe_did_not_take_is_not_delivered() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let (batch, status) = tracked_batch(vec!["{\"a\":1}".into()]);
    let result = sink(writer)
        .run(
            futures_util::stream::iter([batch]).boxed(),
            Refused::default().events(),
        )
        .await;
    assert!(
        result
            .unwrap_err()
            .to_string()
            .contains("writing to the console failed")
    );
    assert_eq!(status.status().await, EventStatus::Errored);
}
