//! `type: nats`: messages to a stream of NATS JetStream, one an event.

mod ack;
mod check;
mod link;
mod options;
mod subject;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use async_nats::{
    HeaderMap, HeaderValue, Subscriber,
    client::PublishErrorKind,
    header::{NATS_EXPECTED_STREAM, NATS_MESSAGE_ID},
};
use async_trait::async_trait;
use futures_util::StreamExt;
use o365_core::{ComponentError, Failure, LogEvent};
pub use options::{NatsAuth, NatsConfig, NatsTls};
use tokio::time::{sleep, sleep_until};

use self::{
    link::{Connection, Link},
    subject::Envelope,
};
use super::delivery::{Again, Answer, Destination, Encoded, RequestOptions, Verdict};
use crate::encoding::{Codec, Encoding};

/// How long acknowledgements may still come after the server has complained about something.
const AFTER_A_COMPLAINT: Duration = Duration::from_secs(2);

/// See [`Destination`].
#[derive(Debug)]
pub struct Nats {
    link: Link,
    envelope: Envelope,
    stream: Option<String>,
    encoding: Encoding,
    request: RequestOptions,
}

#[async_trait]
impl Destination for Nats {
    fn encode(&self, event: &mut LogEvent) -> Result<Encoded, Failure> {
        let body = self.encoding.codec.text(event);
        let (subject, id) = if self.encoding.codec == Codec::Json {
            self.envelope.address(&body)?
        } else if self.envelope.is_fixed() {
            (self.envelope.pattern(), None)
        } else {
            self.envelope.address(&event.to_bytes())?
        };
        Ok(Encoded {
            body: body.into(),
            id,
            key: Some(subject.into()),
        })
    }

    /// All are sent, then all acknowledgements are waited for, on a subject that only this request has.
    async fn deliver(&self, events: &[Encoded]) -> Answer {
        let mut verdicts: Vec<Option<Verdict>> = events.iter().map(|_| None).collect();
        let why = self.exchange(events, &mut verdicts).await;
        let verdicts = verdicts.into_iter();
        Answer::Each(
            verdicts
                .map(|verdict| verdict.unwrap_or_else(|| Verdict::Again(why.clone())))
                .collect(),
        )
    }

    async fn check(&self) -> Result<String, ComponentError> {
        check::check(self).await
    }
}

impl Nats {
    /// Fills in what is said of each event. Why the others have no verdict.
    async fn exchange(&self, events: &[Encoded], verdicts: &mut [Option<Verdict>]) -> Again {
        // Before the engine gives up, and forgets what was acknowledged.
        let limit = self.request.timeout * 9 / 10;
        let shown = o365_core::duration::format(limit);
        let deadline = sleep_until(tokio::time::Instant::now() + limit);
        tokio::pin!(deadline);
        let connection = tokio::select! {
            connection = self.link.connection() => match connection {
                Ok(connection) => connection,
                Err(again) => return again,
            },
            () = &mut deadline => {
                return Again::overloaded(format!("no connection within {shown}, nine tenths of `request.timeout`"), None);
            }
        };
        let complaint = async {
            let said = connection.complaint().await;
            sleep(AFTER_A_COMPLAINT).await;
            said
        };
        let why = tokio::select! {
            biased;
            result = publish(&connection, self.stream.as_deref(), events, verdicts) => match result {
                Ok(()) => return Again::failed("the answer has no entry for this event"),
                Err(reason) => Again::overloaded(reason, None),
            },
            () = connection.lost() => return Again::overloaded("the connection was lost before the acknowledgement", None),
            said = complaint => Again::failed(format!(
                "no acknowledgement, and the server says: {said}; check what the login may publish and subscribe to"
            )),
            () = &mut deadline => Again::overloaded(
                format!("no acknowledgement within {shown}, nine tenths of `request.timeout`"), None
            ),
        };
        // A connection on which nothing comes may be dead, and one on which the server has complained has said it.
        self.link.give_up(&connection).await;
        why
    }
}

/// Sends events, and reads their acknowledgements until none is missing.
async fn publish(
    connection: &Arc<Connection>,
    stream: Option<&str>,
    events: &[Encoded],
    verdicts: &mut [Option<Verdict>],
) -> Result<(), String> {
    let client = &connection.client;
    let inbox = client.new_inbox();
    let mut answers: Subscriber = client
        .subscribe(format!("{inbox}.*"))
        .await
        .map_err(|error| format!("the connection takes nothing: {error}"))?;
    let mut missing = events.len();
    for (number, event) in events.iter().enumerate() {
        let reply = format!("{inbox}.{number}");
        let (subject, body) = (subject(event), event.body.clone());
        let sent = match headers(event, stream) {
            Some(headers) => {
                client
                    .publish_with_reply_and_headers(subject.to_owned(), reply, headers, body)
                    .await
            }
            None => client.publish_with_reply(subject.to_owned(), reply, body).await,
        };
        if let Err(error) = sent {
            if error.kind() == PublishErrorKind::Send {
                return Err(format!("the connection takes nothing: {error}"));
            }
            // Larger than the server takes; the subject is a good one, or else the same is true for it.
            let advice = "a server takes more with a larger `max_payload`";
            verdicts[number] = Some(Verdict::Refused(Failure::new(
                "rejected",
                format!("{error}; {advice}"),
            )));
            missing -= 1;
        }
    }
    while missing > 0 {
        let Some(answer) = answers.next().await else {
            return Err("the connection was lost before the acknowledgement".to_owned());
        };
        let number = answer
            .subject
            .rsplit('.')
            .next()
            .and_then(|number| number.parse::<usize>().ok());
        let Some(number) = number.filter(|number| *number < events.len()) else {
            continue;
        };
        if verdicts[number].is_none() {
            verdicts[number] = Some(ack::verdict(&answer, subject(&events[number])));
            missing -= 1;
        }
    }
    Ok(())
}

fn subject(event: &Encoded) -> &str {
    let subject = event.key.as_deref().unwrap_or_default();
    std::str::from_utf8(subject).unwrap_or_default()
}

fn headers(event: &Encoded, stream: Option<&str>) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    // Both are visible ASCII.
    if let Some(id) = event.id.as_deref().and_then(|id| id.parse::<HeaderValue>().ok()) {
        headers.insert(NATS_MESSAGE_ID, id);
    }
    if let Some(stream) = stream.and_then(|stream| stream.parse::<HeaderValue>().ok()) {
        headers.insert(NATS_EXPECTED_STREAM, stream);
    }
    (!headers.is_empty()).then_some(headers)
}
