//! The health check: who answers, which stream takes the subject, and how long it recognises what comes again.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    context::{GetStreamByNameErrorKind, GetStreamErrorKind},
    stream::Config,
};
use o365_core::{ComponentError, duration::format};

use super::Nats;

pub(super) async fn check(nats: &Nats) -> Result<String, ComponentError> {
    let connection = nats.link.connection().await.map_err(|again| again.reason)?;
    let info = connection.client.server_info();
    let server = format!("NATS {}", info.version);
    let question = async {
        let jetstream = jetstream::new(connection.client.clone());
        let pattern = nats.envelope.pattern();
        let name = match &nats.stream {
            Some(name) => name.clone(),
            None => jetstream
                .stream_by_subject(&pattern)
                .await
                .map_err(|error| match error.kind() {
                    GetStreamByNameErrorKind::NotFound => {
                        format!(
                            "no stream takes the subject `{pattern}`; make one that does, or repair `subject`"
                        )
                    }
                    _ => format!("the stream of `{pattern}` is not told: {error}; {RIGHTS}"),
                })?,
        };
        let stream = jetstream
            .get_stream(&name)
            .await
            .map_err(|error| match error.kind() {
                GetStreamErrorKind::JetStream(error) => format!("no stream `{name}`: {error}"),
                _ => format!("nothing is told of the stream `{name}`: {error}; {RIGHTS}"),
            })?;
        Ok::<_, String>(stream.cached_info().config.clone())
    };
    let config = tokio::select! {
        config = question => config.map_err(|reason| format!("{server}: {reason}"))?,
        () = connection.lost() => return Err(format!("{server}: the connection was lost").into()),
    };
    judge(&server, &config, nats.envelope.has_id(), longest_repeat(nats)).map_err(Into::into)
}

const RIGHTS: &str = "the login may lack the right to ask (`$JS.API.STREAM.NAMES`, `$JS.API.STREAM.INFO.*`), or JetStream is off; \
                      events are published all the same";

/// How long after its first attempt an event may come again, while this program and the server run.
fn longest_repeat(nats: &Nats) -> Duration {
    nats.request.timeout + nats.request.retry_max_duration
}

/// What was found, or why this stream will not do.
fn judge(server: &str, config: &Config, has_id: bool, longest_repeat: Duration) -> Result<String, String> {
    let name = &config.name;
    if config.no_ack {
        return Err(format!(
            "{server}: the stream `{name}` acknowledges nothing (`no_ack`); switch that off"
        ));
    }
    if config.sealed {
        return Err(format!(
            "{server}: the stream `{name}` is sealed; use another one"
        ));
    }
    let found = format!("{server}, stream `{name}`");
    if !has_id {
        return Ok(format!(
            "{found}; without `id_key` it stores again what comes again"
        ));
    }
    let window = config.duplicate_window;
    let shown = format(window);
    if window < longest_repeat {
        return Ok(format!(
            "{found}, WARNING: its duplicate window of {shown} is too short: an event may come again after {} (`request.timeout` \
             and `request.retry_max_duration`) and would be stored twice; make the window longer",
            format(longest_repeat)
        ));
    }
    Ok(format!(
        "{found}, which recognises within {shown} what comes again"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_kind_of_stream_it_is() {
        let stream = |window: u64| Config {
            name: "O365".to_owned(),
            duplicate_window: Duration::from_secs(window),
            ..Config::default()
        };
        let repeat = Duration::from_secs(90);
        let found = |config: &Config, has_id| judge("NATS 2.9.10", config, has_id, repeat).unwrap();
        assert_eq!(
            found(&stream(120), true),
            "NATS 2.9.10, stream `O365`, which recognises within 2m what comes again"
        );
        assert!(found(&stream(89), true).contains("WARNING: its duplicate window of 1m29s is too short"));
        assert!(found(&stream(89), false).contains("without `id_key`"));
        let silent = Config {
            no_ack: true,
            ..stream(120)
        };
        assert!(
            judge("NATS", &silent, true, repeat)
                .unwrap_err()
                .contains("no_ack")
        );
        let sealed = Config {
            sealed: true,
            ..stream(120)
        };
        assert!(
            judge("NATS", &sealed, true, repeat)
                .unwrap_err()
                .contains("sealed")
        );
    }
}
