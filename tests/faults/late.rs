//! Blobs that are listed long after they were created, and all the time in between.

use std::time::Duration;

use o365_simulator::{BlobContent, BlobSpec, ContentType};

use super::{PASSES, Scenario, hold};
use crate::support::Lab;

/// Every tenant has a blob now that it did not have before, created so long ago.
fn appears(lab: &Lab, age: Duration) {
    let handle = lab.simulator.handle();
    for place in 0..3 {
        for content_type in [ContentType::Exchange, ContentType::General] {
            let content = BlobContent::Generated(5);
            let spec = BlobSpec {
                created: Some(handle.now() - age),
                ..BlobSpec::new(lab.tenant(place), content_type, content)
            };
            handle.add_blob(spec).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_that_are_late_are_found_however_late() {
    hold([
        Scenario {
            name: "blobs are half an hour late",
            afterwards: |lab| appears(lab, Duration::from_mins(30)),
            ..PASSES
        },
        Scenario {
            name: "blobs are six hours late",
            afterwards: |lab| appears(lab, Duration::from_hours(6)),
            ..PASSES
        },
        Scenario {
            name: "blobs are three days late",
            afterwards: |lab| appears(lab, Duration::from_hours(72)),
            ..PASSES
        },
    ])
    .await;
}
