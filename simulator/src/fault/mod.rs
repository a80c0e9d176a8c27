//! What goes wrong, as data: a list of rules, each naming the requests it meets and the one thing it does to them.
//!
//! A plan deserialises from JSON or YAML, so that a test, a demonstration and a person at a prompt describe trouble in the
//! same words:
//!
//! ```yaml
//! rules:
//!   - on: fetch_blob
//!     content_type: Audit.Exchange
//!     times: 3
//!     action: { type: throttle, status: 429, retry_after: { seconds: 2 } }
//!   - on: list_content
//!     page: 2
//!     nth: 1
//!     action: { type: error, code: AF20031 }
//! ```

mod action;
mod plan;

pub use action::{Action, RetryAfter};
pub use plan::{Count, FaultPlan, FaultRule, Operation};
pub(crate) use plan::{Facts, FaultState};
