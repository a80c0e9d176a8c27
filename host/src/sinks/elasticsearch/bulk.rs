//! What the server says to a bulk request: of each item.

use o365_core::Failure;
use serde::Deserialize;

use super::super::{
    delivery::{Again, Answer, Verdict},
    web::Said,
};

#[derive(Deserialize)]
struct Reply {
    items: Vec<Item>,
}

/// One of them is there.
#[derive(Deserialize)]
struct Item {
    create: Option<Result>,
    index: Option<Result>,
}

#[derive(Deserialize)]
struct Result {
    status: u16,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    caused_by: Option<Cause>,
}

#[derive(Deserialize)]
struct Cause {
    #[serde(default)]
    reason: Option<String>,
}

/// The verdicts, in the order of the request.
pub(super) fn answer(said: &Said) -> Answer {
    match serde_json::from_slice::<Reply>(&said.body) {
        Ok(reply) => Answer::Each(reply.items.into_iter().map(verdict).collect()),
        Err(_) => Answer::Again(Again::failed(format!(
            "this is no answer to a bulk request: {}; check that `endpoints` is Elasticsearch or OpenSearch",
            said.reason()
        ))),
    }
}

fn verdict(item: Item) -> Verdict {
    let Some(result) = item.create.or(item.index) else {
        return Verdict::again("the answer has an entry that is neither `create` nor `index`");
    };
    let status = result.status;
    let reason = || {
        let said = result.error.as_ref().map(Error::text);
        format!(
            "the server answers {status}: {}",
            said.unwrap_or_else(|| "no reason given".to_owned())
        )
    };
    match status {
        // It is there from an attempt before: the id says so.
        200..=299 | 409 => Verdict::Delivered,
        408 | 429 | 500.. => Verdict::Again(Again::overloaded(reason(), None)),
        // Nothing is wrong with the event.
        401 | 403 | 404 => Verdict::again(format!("{}; {}", reason(), advice(status))),
        _ => Verdict::Refused(Failure::new("rejected", reason())),
    }
}

fn advice(status: u16) -> &'static str {
    match status {
        404 => {
            "make the index or the data stream (`o365-host setup elasticsearch`), or let the login make it"
        }
        403 => {
            "give the login the right to write there, and look for a block on the index: a disk that is nearly full sets one"
        }
        _ => "check the login (`auth`)",
    }
}

impl Error {
    fn text(&self) -> String {
        let mut text = self.kind.clone();
        let cause = self.caused_by.as_ref().and_then(|cause| cause.reason.as_ref());
        for part in [self.reason.as_ref(), cause].into_iter().flatten() {
            text.push_str(": ");
            text.push_str(part);
        }
        text
    }
}
