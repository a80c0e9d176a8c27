//! Addresses that lead elsewhere: nobody is called there, and so no token leaves.

use std::{io, net::TcpListener, sync::LazyLock};

use o365_simulator::{Action, BlobReport, ContentType, FaultRule, Operation};

use super::{Lost, PASSES, Scenario, hold};

/// A host that is none of ours, and hears whoever calls.
static ELSEWHERE: LazyLock<TcpListener> = LazyLock::new(|| {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener
        .set_nonblocking(true)
        .expect("a listener can be made not to wait");
    listener
});

fn origin() -> String {
    format!("http://{}", ELSEWHERE.local_addr().unwrap())
}

fn of_one_feed(blobs: &[BlobReport], on: Operation, action: Action) -> FaultRule {
    FaultRule {
        tenant: Some(blobs[0].tenant.clone()),
        content_type: Some(ContentType::Exchange),
        ..FaultRule::new(on, action)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_token_goes_elsewhere() {
    let origin = origin();
    hold([
        Scenario {
            name: "blobs lie elsewhere",
            faults: |blobs| {
                let action = Action::ContentUriOrigin {
                    origin: self::origin(),
                };
                vec![of_one_feed(blobs, Operation::ListContent, action)]
            },
            lost: Lost::Feed(0, ContentType::Exchange),
            told: "lost",
            ..PASSES
        },
        Scenario {
            name: "the next page lies elsewhere",
            faults: |blobs| {
                [
                    Action::EmptyPageFirst,
                    Action::NextPageOrigin {
                        origin: self::origin(),
                    },
                ]
                .map(|action| of_one_feed(blobs, Operation::ListContent, action))
                .to_vec()
            },
            lost: Lost::Feed(0, ContentType::Exchange),
            told: "not requested",
            code: 1,
            ..PASSES
        },
        Scenario {
            name: "a listing is sent elsewhere",
            faults: |blobs| {
                let action = Action::Redirect {
                    location: self::origin(),
                };
                vec![of_one_feed(blobs, Operation::ListContent, action)]
            },
            lost: Lost::Feed(0, ContentType::Exchange),
            told: "302",
            code: 1,
            ..PASSES
        },
        Scenario {
            name: "a blob is sent elsewhere",
            faults: |blobs| {
                vec![FaultRule {
                    content_id: Some(blobs[3].content_id.clone()),
                    ..FaultRule::new(
                        Operation::FetchBlob,
                        Action::Redirect {
                            location: self::origin(),
                        },
                    )
                }]
            },
            lost: Lost::Blob(3),
            told: "gave up",
            ..PASSES
        },
    ])
    .await;
    let call = ELSEWHERE.accept().map(|(_, caller)| caller);
    assert_eq!(
        call.unwrap_err().kind(),
        io::ErrorKind::WouldBlock,
        "{origin} was called"
    );
}
