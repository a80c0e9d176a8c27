//! What only an operator can lift, and what is gone. It stays with its tenant, its feed, its blob.

use o365_simulator::{Action, ContentType, FaultRule, Operation};

use super::{Lost, PASSES, Scenario, hold};

fn error(code: &str, status: Option<u16>) -> Action {
    Action::Error {
        code: code.to_owned(),
        status,
        message: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_refused_holds_up_nobody() {
    hold([Scenario {
        name: "the secret of one tenant is wrong",
        faults: |blobs| {
            vec![FaultRule {
                tenant: Some(blobs[0].tenant.clone()),
                ..FaultRule::new(Operation::Token, Action::Aadsts { code: 7_000_215 })
            }]
        },
        lost: Lost::Tenant(0),
        told: "7000215",
        code: 1,
        ..PASSES
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_is_refused_holds_up_no_other() {
    hold([Scenario {
        name: "listing one content type is not permitted",
        faults: |blobs| {
            vec![FaultRule {
                tenant: Some(blobs[0].tenant.clone()),
                content_type: Some(ContentType::Exchange),
                ..FaultRule::new(Operation::ListContent, error("AF10001", Some(403)))
            }]
        },
        lost: Lost::Feed(0, ContentType::Exchange),
        told: "AF10001",
        code: 1,
        ..PASSES
    }])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_is_gone_is_named() {
    hold([Scenario {
        name: "a blob is expired",
        faults: |blobs| {
            vec![FaultRule {
                content_id: Some(blobs[3].content_id.clone()),
                ..FaultRule::new(Operation::FetchBlob, error("AF20051", None))
            }]
        },
        lost: Lost::Blob(3),
        told: "a blob is lost",
        heals: false,
        ..PASSES
    }])
    .await;
}
