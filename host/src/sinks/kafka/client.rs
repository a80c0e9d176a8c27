//! The producer: made when it is needed, made anew when the library cannot go on with it.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use o365_core::{ComponentError, ComponentKey};
use rdkafka::{
    ClientConfig, ClientContext,
    config::{FromClientConfigAndContext, RDKafkaLogLevel as Level},
    error::{KafkaError, KafkaResult, RDKafkaErrorCode},
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
};
use tracing::{debug, info, warn};

/// Makes producers. There is one at a time.
pub(super) struct Producers {
    config: ClientConfig,
    key: ComponentKey,
    current: Mutex<Option<Arc<Producer>>>,
}

impl fmt::Debug for Producers {
    // The configuration has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Producers")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Producers {
    /// Checks the configuration by making the first one. It connects later.
    pub(super) fn new(config: ClientConfig, key: ComponentKey) -> KafkaResult<Self> {
        let first = Producer::new(&config, &key)?;
        Ok(Self {
            config,
            key,
            current: Mutex::new(Some(Arc::new(first))),
        })
    }

    /// The producer.
    pub(super) fn get(&self) -> Result<Arc<Producer>, String> {
        let mut current = self.current();
        if let Some(producer) = &*current {
            return Ok(Arc::clone(producer));
        }
        let producer = Producer::new(&self.config, &self.key).map_err(|error| error.to_string())?;
        Ok(Arc::clone(current.insert(Arc::new(producer))))
    }

    /// What waits in it is not delivered by it, and is sent again by another.
    pub(super) fn give_up(&self, producer: &Arc<Producer>, why: &str) {
        let mut current = self.current();
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, producer))
        {
            warn!(sink = %self.key, why, "the producer cannot go on, another one takes its place");
            *current = None;
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Producer>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a producer has complained about, last.
type Complaint = Arc<Mutex<Option<String>>>;

/// A producer.
pub(super) struct Producer {
    library: FutureProducer<Context>,
    complaint: Complaint,
}

impl Producer {
    fn new(config: &ClientConfig, key: &ComponentKey) -> KafkaResult<Self> {
        let complaint = Complaint::default();
        let context = Context {
            key: key.clone(),
            complaint: Arc::clone(&complaint),
        };
        let library = FutureProducer::from_config_and_context(config, context)?;
        Ok(Self { library, complaint })
    }

    /// Hands a message over. It is copied.
    pub(super) fn send(&self, record: FutureRecord<'_, [u8], [u8]>) -> Result<DeliveryFuture, KafkaError> {
        self.library.send_result(record).map_err(|(error, _)| error)
    }

    /// Why it cannot go on, if it cannot.
    pub(super) fn fatal_error(&self) -> Option<String> {
        let (code, reason) = self.library.client().fatal_error()?;
        Some(format!("{code}: {reason}"))
    }

    /// Asks a broker for the topics that there are. Asking for one of them would make it.
    pub(super) async fn look(
        self: &Arc<Self>,
        topic: String,
        timeout: Duration,
    ) -> Result<String, ComponentError> {
        let producer = Arc::clone(self);
        let asked = tokio::task::spawn_blocking(move || {
            let found = producer.library.client().fetch_metadata(None, timeout);
            found.map_err(|error| producer.explain(&error)).map(|metadata| {
                let brokers = metadata.brokers().len();
                let topic = metadata.topics().iter().find(|found| found.name() == topic);
                (brokers, topic.map(|topic| topic.partitions().len()))
            })
        });
        match asked.await?? {
            (brokers, Some(partitions)) => Ok(format!("{brokers} brokers, {partitions} partitions")),
            (brokers, None) => Ok(format!(
                "{brokers} brokers; the topic is not there, or the login may not see it: brokers may make it when the first event comes"
            )),
        }
    }

    /// An error with what the library has said meanwhile: the error itself says little.
    fn explain(&self, error: &KafkaError) -> String {
        let code = error.rdkafka_error_code();
        let code = code.map_or_else(|| error.to_string(), |code| code.to_string());
        match &*self.complaint.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(complaint) => format!("{code}: {complaint}"),
            None => code,
        }
    }
}

struct Context {
    key: ComponentKey,
    complaint: Complaint,
}

impl ClientContext for Context {
    fn log(&self, level: Level, facility: &str, message: &str) {
        let sink = &self.key;
        match level {
            Level::Emerg | Level::Alert | Level::Critical | Level::Error | Level::Warning => {
                warn!(%sink, facility, "{message}");
            }
            Level::Notice | Level::Info => info!(%sink, facility, "{message}"),
            Level::Debug => debug!(%sink, facility, "{message}"),
        }
    }

    /// The library goes on by itself; people should know, once.
    fn error(&self, error: KafkaError, reason: &str) {
        let sink = &self.key;
        // Says of all brokers what was said of each.
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            debug!(%sink, reason, "no broker is left");
            return;
        }
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        if complaint.as_deref() == Some(reason) {
            debug!(%sink, reason, "the client still has the same problem");
        } else {
            warn!(%sink, reason, "the client has a problem, and tries again");
            *complaint = Some(reason.to_owned());
        }
    }
}
