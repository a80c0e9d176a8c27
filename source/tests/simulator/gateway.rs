//! What may stand before the service: a front that speaks TLS, and a proxy that is asked with `CONNECT`.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by panicking, also in its helpers"
)]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

/// An authority that no machine trusts by itself.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// The authority's own certificate.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    fn acceptor(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Something that listens until it is dropped.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    _tasks: JoinSet<()>,
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

impl Gateway {
    fn serve<F: Future<Output = ()> + Send + 'static>(
        (listener, address): (TcpListener, SocketAddr),
        handle: impl Fn(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(handle(stream));
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }
}

/// A port on which a front can begin once it is known what is behind it.
pub(crate) struct Front(TcpListener, SocketAddr);

impl Front {
    pub(crate) async fn new() -> Self {
        let (listener, address) = listen().await;
        Self(listener, address)
    }

    pub(crate) fn port(&self) -> u16 {
        self.1.port()
    }

    /// Speaks TLS as `name`, and passes on to `behind` what it hears.
    pub(crate) fn open(self, authority: &Authority, name: &str, behind: SocketAddr) -> Gateway {
        let acceptor = authority.acceptor(name);
        Gateway::serve((self.0, self.1), move |stream| {
            let acceptor = acceptor.clone();
            async move {
                // A client that trusts nobody ends here.
                if let Ok(stream) = acceptor.accept(stream).await {
                    pass_on(stream, behind).await;
                }
            }
        })
    }
}

async fn pass_on(mut stream: impl AsyncRead + AsyncWrite + Unpin, behind: SocketAddr) {
    if let Ok(mut other) = TcpStream::connect(behind).await {
        // Who ends first, and how, is the client's and the server's business.
        drop(copy_bidirectional(&mut stream, &mut other).await);
    }
}

/// Every `CONNECT` that a proxy saw, with its `Proxy-Authorization`.
pub(crate) type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A proxy for which every name is `behind`. It wants this `Proxy-Authorization`.
pub(crate) async fn proxy(wants: &'static str, behind: SocketAddr) -> (Gateway, Asked) {
    let asked = Asked::default();
    let noted = Arc::clone(&asked);
    let gateway = Gateway::serve(listen().await, move |stream| {
        let noted = Arc::clone(&noted);
        async move {
            let mut stream = BufReader::new(stream);
            let mut head = Vec::new();
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 2) {
                head.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            let shown = head.iter().skip(1).find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("proxy-authorization")
                    .then(|| value.to_owned())
            });
            let fine = shown.as_deref() == Some(wants);
            let target = head.first().cloned().unwrap_or_default();
            noted.lock().unwrap().push((target, shown));
            let answer = if fine {
                "HTTP/1.1 200 Connection established\r\n\r\n"
            } else {
                "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"
            };
            if stream.write_all(answer.as_bytes()).await.is_ok() && fine {
                pass_on(stream, behind).await;
            }
        }
    });
    (gateway, asked)
}
