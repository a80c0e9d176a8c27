//! How requests leave this machine.

use std::time::Duration;

use url::Url;

use crate::{auth::is_link_local, url::is_loopback};

/// How long is waited for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timeouts {
    pub(crate) connect: Duration,
    /// A whole request for a token, a listing or a subscription.
    pub(crate) request: Duration,
    /// A whole blob: silence ends it sooner.
    pub(crate) blob: Duration,
    /// Longest silence of the service.
    pub(crate) read: Duration,
}

/// An HTTP client for all tenants: the trusted certificates are read once.
pub(crate) fn client(target: &Url, timeouts: &Timeouts) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("o365-source/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.read)
        .pool_idle_timeout(Duration::from_secs(90));
    // What stays on this machine, or on the platform below it, has no business with a proxy.
    let builder = if is_loopback(target) || is_link_local(target) {
        builder.no_proxy()
    } else {
        builder
    };
    builder.build()
}
