//! What a stream answers to a message.

use async_nats::{
    Message, StatusCode,
    jetstream::{Error, ErrorCode, publish::PublishAck, response::Response},
};
use o365_core::Failure;

use super::super::delivery::{Again, Verdict};

/// The verdict on the event that was sent to `subject`.
pub(super) fn verdict(answer: &Message, subject: &str) -> Verdict {
    if answer.status == Some(StatusCode::NO_RESPONDERS) {
        return Verdict::again(format!(
            "no stream takes the subject `{subject}`; make one that does, or repair `subject`"
        ));
    }
    match serde_json::from_slice(&answer.payload) {
        // Now, or as a duplicate of one before.
        Ok(Response::Ok(PublishAck { .. })) => Verdict::Delivered,
        Ok(Response::Err { error }) => refusal(&error, subject),
        Err(_) => Verdict::again(format!(
            "somebody answers to `{subject}` who is no stream; nothing else may reply to this subject"
        )),
    }
}

fn refusal(error: &Error, subject: &str) -> Verdict {
    let reason = format!("the stream answers: {error}");
    match error.error_code() {
        ErrorCode::STREAM_MESSAGE_EXCEEDS_MAXIMUM | ErrorCode::STREAM_HEADER_EXCEEDS_MAXIMUM => {
            Verdict::Refused(Failure::new(
                "rejected",
                format!("{reason}; the stream takes more with a larger `max_msg_size`"),
            ))
        }
        ErrorCode::STREAM_NOT_MATCH => Verdict::again(format!(
            "{reason}: `{subject}` goes to another stream than `stream` says; repair one of them"
        )),
        ErrorCode::STREAM_SEALED => {
            Verdict::again(format!("{reason}: it takes nothing any more; use another one"))
        }
        ErrorCode::JETSTREAM_NOT_ENABLED | ErrorCode::JETSTREAM_NOT_ENABLED_FOR_ACCOUNT => Verdict::again(
            format!("{reason}; enable JetStream on the server and for the account"),
        ),
        // With `discard: new` a stream that is full says so; it has room again when messages are consumed or grow old.
        ErrorCode::STREAM_STORE_FAILED => Verdict::Again(Again::overloaded(
            format!("{reason}; if it is full, raise its limits or consume what is in it"),
            None,
        )),
        // Limits of an account or a server, a stream that moves, has no leader, or is in the middle of the same message:
        // all of them may end.
        _ if matches!(error.code(), 429 | 500..=599) => Verdict::Again(Again::overloaded(reason, None)),
        _ => Verdict::again(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: Option<u16>, payload: &'static str) -> Verdict {
        let answer = Message {
            subject: "_INBOX.a.0".into(),
            reply: None,
            payload: payload.into(),
            headers: None,
            status: status.map(|status| StatusCode::from_u16(status).unwrap()),
            description: None,
            length: payload.len(),
        };
        verdict(&answer, "o365.audit")
    }

    #[test]
    fn only_a_stream_acknowledges() {
        let stored = [
            r#"{"stream":"O365","seq":7}"#,
            r#"{"stream":"O365","seq":7,"domain":"hub","duplicate":true}"#,
        ];
        for payload in stored {
            assert!(matches!(told(None, payload), Verdict::Delivered), "{payload}");
        }
        for payload in [
            "",
            "ok",
            "{}",
            "+OK",
            r#"{"stream":"O365"}"#,
            r#"{"seq":1}"#,
            "[1]",
        ] {
            match told(None, payload) {
                Verdict::Again(again) => {
                    assert!(again.reason.contains("who is no stream"), "{}", again.reason);
                }
                other => panic!("{payload}: {other:?}"),
            }
        }
        match told(Some(503), "") {
            Verdict::Again(again) => {
                assert!(
                    again.reason.contains("no stream takes the subject `o365.audit`"),
                    "{}",
                    again.reason
                );
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_says_whether_it_is_about_the_message() {
        let cases = [
            (
                r#"{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}"#,
                "refused",
                "max_msg_size",
            ),
            (
                r#"{"code":400,"err_code":10097,"description":"header size exceeds maximum allowed of 64k"}"#,
                "refused",
                "64k",
            ),
            (
                r#"{"code":503,"err_code":10077,"description":"maximum messages exceeded"}"#,
                "overloaded",
                "maximum messages exceeded",
            ),
            (
                r#"{"code":400,"err_code":10060,"description":"expected stream does not match"}"#,
                "again",
                "repair one of them",
            ),
            (
                r#"{"code":400,"err_code":10109,"description":"invalid operation on sealed stream"}"#,
                "again",
                "another one",
            ),
            (
                r#"{"code":503,"err_code":10039,"description":"JetStream not enabled for account"}"#,
                "again",
                "enable JetStream",
            ),
            (
                r#"{"code":400,"err_code":10002,"description":"resource limits exceeded for account"}"#,
                "again",
                "10002",
            ),
            (
                r#"{"code":503,"err_code":10023,"description":"insufficient resources"}"#,
                "overloaded",
                "insufficient",
            ),
            (
                r#"{"code":429,"err_code":10167,"description":"too many requests"}"#,
                "overloaded",
                "too many",
            ),
            (
                r#"{"code":400,"err_code":10158,"description":"duplicate message id is in process"}"#,
                "again",
                "in process",
            ),
            (r#"{"code":400}"#, "again", "unknown"),
        ];
        for (error, class, words) in cases {
            let payload: &'static str =
                Box::leak(format!(r#"{{"error":{error},"stream":"O365","seq":0}}"#).into_boxed_str());
            let (found, reason) = match told(None, payload) {
                Verdict::Delivered => ("delivered", String::new()),
                Verdict::Refused(failure) => ("refused", failure.reason),
                Verdict::Again(again) if again.overloaded => ("overloaded", again.reason),
                Verdict::Again(again) => ("again", again.reason),
            };
            assert_eq!(found, class, "{error}");
            assert!(reason.contains(words), "{error}: {reason}");
        }
    }
}
