//! Connections that misbehave on request.
//!
//! Two things cannot be done from within an HTTP handler: to end a connection without a byte of answer, and to choose the
//! case of a header's name (`http` keeps names in lower case, the real service writes `NextPageUri`). Both are done where
//! the bytes leave.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::http::lock;

#[derive(Debug, Default)]
struct Orders {
    reset: bool,
    /// Header names in the case in which they have to be written.
    names: Vec<String>,
}

/// What a handler can order for the connection of its request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Arc<Mutex<Orders>>);

impl Connection {
    /// From now on every write fails, which ends the connection.
    pub(crate) fn reset(&self) {
        lock(&self.0).reset = true;
    }

    /// Writes this header's name exactly so.
    pub(crate) fn spell(&self, name: &str) {
        let mut orders = lock(&self.0);
        if !orders.names.iter().any(|known| known == name) {
            orders.names.retain(|known| !known.eq_ignore_ascii_case(name));
            orders.names.push(name.to_owned());
        }
    }

    /// The bytes with the ordered names, if these begin an answer that has one.
    fn respell(&self, bytes: &[u8]) -> Option<Vec<u8>> {
        if !bytes.starts_with(b"HTTP/1.") {
            return None;
        }
        let orders = lock(&self.0);
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut out: Option<Vec<u8>> = None;
        for name in &orders.names {
            let wanted = format!("\r\n{name}:");
            let at = bytes[..head]
                .windows(wanted.len())
                .position(|window| window.eq_ignore_ascii_case(wanted.as_bytes()));
            if let Some(at) = at {
                out.get_or_insert_with(|| bytes.to_vec())[at..at + wanted.len()]
                    .copy_from_slice(wanted.as_bytes());
            }
        }
        out
    }
}

/// A TCP connection and the orders for it.
#[derive(Debug)]
pub(crate) struct TrackedStream {
    stream: TcpStream,
    connection: Connection,
}

impl AsyncRead for TrackedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if lock(&self.connection.0).reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // The length does not change, so a partial write stays in step.
        match self.connection.respell(bytes) {
            Some(respelt) => Pin::new(&mut self.stream).poll_write(cx, &respelt),
            None => Pin::new(&mut self.stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Accepts connections that take orders.
#[derive(Debug)]
pub(crate) struct TrackedListener(pub(crate) TcpListener);

impl Listener for TrackedListener {
    type Io = TrackedStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        // The listener of the library waits and tries again when the process is out of file descriptors.
        let (stream, address) = Listener::accept(&mut self.0).await;
        (
            TrackedStream {
                stream,
                connection: Connection::default(),
            },
            address,
        )
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, TrackedListener>> for Connection {
    fn connect_info(stream: IncomingStream<'_, TrackedListener>) -> Self {
        stream.io().connection.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_respelt_in_the_head_only() {
        let connection = Connection::default();
        connection.spell("nextpageuri");
        connection.spell("NextPageUri");
        let plain = b"HTTP/1.1 200 OK\r\nnextpageuri: x\r\n\r\nbody\r\nnextpageuri: y";
        let respelt = String::from_utf8(connection.respell(plain).unwrap()).unwrap();
        assert_eq!(
            respelt,
            "HTTP/1.1 200 OK\r\nNextPageUri: x\r\n\r\nbody\r\nnextpageuri: y"
        );
        assert_eq!(
            connection.respell(b"the rest of a body\r\nnextpageuri: z\r\n\r\n"),
            None
        );
    }
}
