//! The connection to the servers: made when it is needed, and made anew when it is lost.
//!
//! The library would connect again by itself, and keep until then what is sent: [`super::super::delivery`] owns retries, so a
//! connection is thrown away when it is lost, and whoever waits on it is told at once. What the old one still had in its queue
//! (at most [`QUEUE`] messages) it may send if it can connect again; the stream recognises them by their ids.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_nats::{Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr};
use tokio::sync::{Mutex, watch};

use super::{
    super::delivery::Again,
    options::{NatsAuth, NatsConfig, NatsTls},
};

/// Messages between a sink and its connection.
const QUEUE: usize = 256;

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    servers: Vec<ServerAddr>,
    name: String,
    auth: Option<NatsAuth>,
    config_dir: PathBuf,
    tls: Option<NatsTls>,
    /// Answers that may come at once.
    answers: usize,
    current: Mutex<Option<Arc<Connection>>>,
}

/// A connection, good until it is lost.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    heard: watch::Receiver<Heard>,
}

/// What a connection has told without being asked.
#[derive(Debug, Clone, Default)]
struct Heard {
    lost: bool,
    /// The last error that is about no message in particular, such as a right that is missing.
    said: Option<String>,
}

impl Link {
    pub(super) fn new(
        config: &NatsConfig,
        servers: Vec<ServerAddr>,
        tls: Option<NatsTls>,
        config_dir: &Path,
    ) -> Self {
        Self {
            servers,
            name: config.connection_name.clone(),
            auth: config.auth.clone(),
            config_dir: config_dir.to_owned(),
            tls,
            // Twice, because somebody else may answer, too.
            answers: config.batch.max_events as usize * 2,
            current: Mutex::new(None),
        }
    }

    /// The connection that there is, or a new one.
    pub(super) async fn connection(&self) -> Result<Arc<Connection>, Again> {
        let mut current = self.current.lock().await;
        if let Some(connection) = current.as_ref().filter(|connection| !connection.is_lost()) {
            return Ok(Arc::clone(connection));
        }
        *current = None;
        let connection = Arc::new(self.connect().await?);
        *current = Some(Arc::clone(&connection));
        Ok(connection)
    }

    /// Does not use a connection any more on which nobody answers.
    pub(super) async fn give_up(&self, connection: &Arc<Connection>) {
        let mut current = self.current.lock().await;
        if current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            *current = None;
        }
    }

    async fn connect(&self) -> Result<Connection, Again> {
        let (sender, heard) = watch::channel(Heard::default());
        let sender = Arc::new(sender);
        let listen = move |event| {
            let sender = Arc::clone(&sender);
            async move { hear(&sender, &event) }
        };
        let options = self
            .login()
            .map_err(Again::failed)?
            .name(&self.name)
            .client_capacity(QUEUE)
            .subscription_capacity(self.answers)
            // Those that are configured, once each; after that a lost connection is given up.
            .ignore_discovered_servers()
            .max_reconnects(self.servers.len())
            .event_callback(listen);
        let options = match &self.tls {
            Some(tls) => tls.apply(options),
            None => options,
        };
        match options.connect(&self.servers[..]).await {
            Ok(client) => Ok(Connection { client, heard }),
            Err(error) => Err(self.explain(&error)),
        }
    }

    fn login(&self) -> Result<ConnectOptions, String> {
        let options = ConnectOptions::new();
        Ok(match &self.auth {
            None => options,
            Some(NatsAuth::UserPassword { user, password }) => {
                options.user_and_password(user.clone(), password.expose().to_owned())
            }
            Some(NatsAuth::Token { token }) => options.token(token.expose().to_owned()),
            Some(NatsAuth::Nkey { seed }) => options.nkey(seed.expose().to_owned()),
            Some(NatsAuth::CredentialsFile { path }) => credentials(&self.config_dir.join(path))?,
        })
    }

    fn explain(&self, error: &ConnectError) -> Again {
        let servers: Vec<_> = self
            .servers
            .iter()
            .map(|server| format!("{}:{}", server.host(), server.port()))
            .collect();
        let reason = format!("no connection to {}: {error}", servers.join(", "));
        match error.kind() {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Again::failed(format!("{reason}; check the login (`auth`)"))
            }
            ConnectErrorKind::Tls => Again::failed(format!("{reason}; check `tls`")),
            ConnectErrorKind::ServerParse | ConnectErrorKind::Dns => {
                Again::failed(format!("{reason}; check `url`"))
            }
            ConnectErrorKind::TimedOut | ConnectErrorKind::Io | ConnectErrorKind::MaxReconnects => {
                Again::overloaded(reason, None)
            }
        }
    }
}

fn hear(sender: &watch::Sender<Heard>, event: &Event) {
    sender.send_modify(|heard| match event {
        Event::Disconnected | Event::Closed => heard.lost = true,
        Event::ServerError(error) => heard.said = Some(error.to_string()),
        Event::Connected
        | Event::LameDuckMode
        | Event::Draining
        | Event::SlowConsumer(_)
        | Event::ClientError(_) => {}
    });
}

impl Connection {
    pub(super) fn is_lost(&self) -> bool {
        self.heard.borrow().lost
    }

    /// Until it is lost.
    pub(super) async fn lost(&self) {
        // The other end goes with the connection.
        let _ = self.heard.clone().wait_for(|heard| heard.lost).await;
    }

    /// Until the server says something that is about no message in particular: what it says.
    pub(super) async fn complaint(&self) -> String {
        let mut heard = self.heard.clone();
        let said = match heard.wait_for(|heard| heard.said.is_some()).await {
            Ok(heard) => heard.said.clone(),
            // The other end goes with the connection.
            Err(_) => None,
        };
        match said {
            Some(said) => said,
            None => std::future::pending().await,
        }
    }
}

impl NatsTls {
    fn apply(&self, options: ConnectOptions) -> ConnectOptions {
        let mut options = options.require_tls(true);
        if let Some(file) = &self.ca_file {
            options = options.add_root_certificates(file.clone());
        }
        if let (Some(crt), Some(key)) = (&self.crt_file, &self.key_file) {
            options = options.add_client_certificate(crt.clone(), key.clone());
        }
        options
    }
}

/// Logs in with a file of credentials, or says what is wrong with it.
pub(super) fn credentials(path: &Path) -> Result<ConnectOptions, String> {
    let shown = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{shown} cannot be read: {error}"))?;
    // The library's reason may quote what it has read.
    ConnectOptions::with_credentials(&text).map_err(|_| format!("{shown} has no token and seed of a user"))
}
