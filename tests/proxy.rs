//! A wire between the program and a server that can be cut.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// Forwards connections to a server until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _accepting: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Shared {
    refusing: AtomicBool,
    connections: Mutex<Vec<AbortHandle>>,
    cut: AtomicUsize,
    refused: AtomicUsize,
}

impl Proxy {
    /// A wire to `server`.
    pub(crate) async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, server, Arc::clone(&shared)));
        Self {
            address,
            shared,
            _accepting: accepting,
        }
    }

    /// Where to connect to.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Cuts every connection. How many there were so far that were cut while they were open.
    pub(crate) fn cut(&self) -> usize {
        for connection in self.shared.connections.lock().unwrap().drain(..) {
            if !connection.is_finished() {
                connection.abort();
                self.shared.cut.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.shared.cut.load(Ordering::Relaxed)
    }

    /// Whether a connection is open.
    pub(crate) fn is_used(&self) -> bool {
        let connections = self.shared.connections.lock().unwrap();
        connections.iter().any(|connection| !connection.is_finished())
    }

    /// How many connections were refused so far.
    pub(crate) fn refused(&self) -> usize {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Lets nobody through, as if the server was down, or lets them again.
    pub(crate) fn refuse(&self, refuse: bool) {
        self.shared.refusing.store(refuse, Ordering::Relaxed);
        if refuse {
            self.cut();
        }
    }
}

async fn accept(listener: TcpListener, server: SocketAddr, shared: Arc<Shared>) {
    // They end with this one.
    let mut connections = JoinSet::new();
    while let Ok((mut inner, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        if shared.refusing.load(Ordering::Relaxed) {
            shared.refused.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let forward = async move {
            if let Ok(mut outer) = TcpStream::connect(server).await {
                // What comes in pieces would otherwise wait for 40 ms, as on no line between two machines.
                inner.set_nodelay(true).unwrap();
                outer.set_nodelay(true).unwrap();
                // How it ends is what the tests are about.
                let _ = copy_bidirectional(&mut inner, &mut outer).await;
            }
        };
        let connection = connections.spawn(forward);
        shared.connections.lock().unwrap().push(connection);
    }
}
