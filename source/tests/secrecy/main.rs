//! What is said in logs, and what never is. Alone in its process, since subscribers of tests that run at the same time
//! hide events from each other.

#[path = "../simulator/world.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod world;

use std::{
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

use o365_simulator::{Action, FaultRule, Operation};
use tracing_subscriber::fmt::MakeWriter;

use crate::world::{World, once};

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn secrets_and_events_never_reach_a_log_nor_the_ledger() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(log.clone())
        .with_ansi(false)
        .with_env_filter("o365_source=trace")
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let mut world = World::small(100, |simulated| {
        simulated.events_per_blob = 10;
        simulated.page_size = 2;
    })
    .await;
    world.config.quarantine_after = std::time::Duration::ZERO;
    world.config.quarantine_attempts = 1;
    world.faults([
        once(Operation::Token, Action::Aadsts { code: 90_033 }),
        once(Operation::ListContent, Action::Unauthorized),
        once(Operation::FetchBlob, Action::Unauthorized),
        FaultRule {
            nth: Some(3),
            ..FaultRule::new(Operation::FetchBlob, Action::Truncate { after: 700 })
        },
        FaultRule {
            nth: Some(4),
            ..FaultRule::new(Operation::FetchBlob, Action::Trailing { text: "x".to_owned() })
        },
        FaultRule {
            nth: Some(5),
            ..FaultRule::new(
                Operation::FetchBlob,
                Action::ErrorWithStatus200 {
                    code: "AF20050".to_owned(),
                },
            )
        },
    ]);
    let collected = world.once().await;
    assert!(collected.result.is_ok(), "{:?}", collected.result);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for said in [
        "no access token",
        "access token refused",
        "subscription started",
        "window listed",
        "a blob could not be delivered",
        "a blob is odd",
        "gave up on a blob",
        "blob delivered",
        "source stopped",
    ] {
        assert!(log.contains(said), "nothing says {said:?} in\n{log}");
    }
    let ledger = std::fs::read(world.ledger_path()).unwrap();
    let ledger = String::from_utf8_lossy(&ledger);
    let Some(o365_source::SecretSource::Text(secret)) = &world.config.client_secret else {
        panic!("the world's secret is a text");
    };
    let secret = secret.expose();
    let id = world::id(&collected.documents[0]);
    for text in [log.as_str(), &ledger] {
        assert!(!text.contains(secret), "a secret is told");
        // Tokens are JWTs.
        assert!(
            !text.contains("eyJ") && !text.contains("Bearer "),
            "a token is told"
        );
        assert!(
            !text.contains("CreationTime") && !text.contains(&id),
            "an event is told"
        );
    }
}
