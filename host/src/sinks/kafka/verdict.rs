//! What became of an event, by what the library or a broker says.

use futures_util::future::Either;
use o365_core::Failure;
use rdkafka::{
    error::{KafkaError, RDKafkaErrorCode as Code},
    message::OwnedMessage,
    producer::future_producer::Delivery,
};

use super::super::delivery::{Again, Verdict};

/// What a broker said, or nothing, because the producer was given up.
type Acknowledgement<C> = Result<Result<Delivery, (KafkaError, OwnedMessage)>, C>;

pub(super) fn of<C>(acknowledgement: Acknowledgement<C>) -> Verdict {
    match acknowledgement {
        Ok(Ok(_)) => Verdict::Delivered,
        Ok(Err((error, _))) => of_error(&error),
        Err(_) => Verdict::again("the producer was given up before the acknowledgement"),
    }
}

pub(super) fn of_error(error: &KafkaError) -> Verdict {
    let Some(code) = error.rdkafka_error_code() else {
        return Verdict::again(error.to_string());
    };
    match class(code) {
        Either::Left(advice) => Verdict::Refused(Failure::new("rejected", with(code, advice))),
        Either::Right((advice, overloaded)) => {
            let reason = with(code, advice);
            Verdict::Again(if overloaded {
                Again::overloaded(reason, None)
            } else {
                Again::failed(reason)
            })
        }
    }
}

fn with(code: Code, advice: &str) -> String {
    let separator = if advice.is_empty() { "" } else { "; " };
    format!("{code}{separator}{advice}")
}

/// Refused, or to be sent again: what to do about it, and whether there was too much.
fn class(code: Code) -> Either<&'static str, (&'static str, bool)> {
    let (advice, overloaded) = match code {
        // Those that the event itself is the reason for.
        Code::MessageSizeTooLarge => {
            return Either::Left("raise `message_max_bytes` here, and `max.message.bytes` of the topic");
        }
        Code::InvalidRecord | Code::InvalidMessage | Code::InvalidTimestamp => return Either::Left(""),
        Code::QueueFull => ("the queue of the client is full", true),
        Code::MessageTimedOut | Code::RequestTimedOut => ("no acknowledgement in time", true),
        Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
            ("make the topic, or check `topic`", false)
        }
        Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed => (
            "check what the login may do: `WRITE` on the topic, and `IDEMPOTENT_WRITE` with old brokers",
            false,
        ),
        Code::SaslAuthenticationFailed | Code::Authentication => ("check the login (`sasl`)", false),
        Code::NotEnoughReplicas | Code::NotEnoughReplicasAfterAppend => (
            "brokers of the topic are down, fewer than `min.insync.replicas` are left",
            false,
        ),
        _ => ("", false),
    };
    Either::Right((advice, overloaded))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_event_is_the_reason_for_is_refused() {
        let verdict = |code| of_error(&KafkaError::MessageProduction(code));
        for code in [Code::MessageSizeTooLarge, Code::InvalidRecord] {
            assert!(matches!(verdict(code), Verdict::Refused(_)), "{code}");
        }
        for (code, too_much) in [
            (Code::QueueFull, true),
            (Code::MessageTimedOut, true),
            (Code::UnknownTopic, false),
            (Code::TopicAuthorizationFailed, false),
            (Code::Fatal, false),
            (Code::PurgeQueue, false),
        ] {
            let Verdict::Again(again) = verdict(code) else {
                panic!("{code}");
            };
            assert_eq!(again.overloaded, too_much, "{code}");
        }
        let canceled = of_error(&KafkaError::Canceled);
        assert!(matches!(canceled, Verdict::Again(_)));
    }
}
