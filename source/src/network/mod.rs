//! How requests leave this machine: with which timeouts, through which proxy, trusting whom.

mod advice;
mod route;
mod trust;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use o365_core::config::Problem;
use url::Url;

use self::route::Environment;
pub(crate) use self::{
    advice::{hint, on_the_way},
    route::{ProxySettings, Route, check_proxy},
};

/// Connections for large bodies that are kept when nothing is to be fetched: enough to begin with when something is.
const IDLE_BULK_CONNECTIONS: usize = 8;

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

/// What the configuration says.
#[derive(Debug, Clone)]
pub(crate) struct NetworkSettings {
    pub(crate) timeouts: Timeouts,
    pub(crate) proxy: ProxySettings,
    /// As configured: relative to the configuration's directory.
    pub(crate) ca_file: Option<PathBuf>,
}

/// That, and what the machine has.
#[derive(Debug)]
pub(crate) struct Network {
    timeouts: Timeouts,
    proxy: ProxySettings,
    environment: Environment,
    trust: Vec<reqwest::Certificate>,
}

impl NetworkSettings {
    /// Reads the file of authorities and the environment.
    pub(crate) fn load(&self, config_dir: &Path) -> Result<Network, Problem> {
        let trust = match &self.ca_file {
            Some(path) => trust::read(&config_dir.join(path))?,
            None => Vec::new(),
        };
        Ok(Network {
            timeouts: self.timeouts,
            proxy: self.proxy.clone(),
            environment: Environment::read(),
            trust,
        })
    }
}

impl Network {
    /// The way to a host.
    pub(crate) fn route(&self, target: &Url) -> Route {
        Route::to(target, &self.proxy, &self.environment)
    }

    /// A client for one host and all tenants: the trusted certificates are read once.
    pub(crate) fn client(&self, target: &Url) -> Result<reqwest::Client, reqwest::Error> {
        self.builder(target)?.build()
    }

    /// A client for the bodies that are large. What is read into stays with its connection, so few are kept that have nothing
    /// to do.
    pub(crate) fn bulk_client(&self, target: &Url) -> Result<reqwest::Client, reqwest::Error> {
        self.builder(target)?
            .pool_max_idle_per_host(IDLE_BULK_CONNECTIONS)
            .build()
    }

    fn builder(&self, target: &Url) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        // The route is ours to decide: the HTTP client reads no environment.
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("o365-source/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(self.timeouts.connect)
            .read_timeout(self.timeouts.read)
            .pool_idle_timeout(Duration::from_secs(90))
            .tls_certs_merge(self.trust.iter().cloned())
            .no_proxy();
        if let Route::Proxy(via) = self.route(target) {
            builder = builder.proxy(via.proxy()?);
        }
        Ok(builder)
    }
}
