//! The local API of a program that runs: where it listens, and what it answers.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
    process::{Child, ChildStderr},
};

use crate::support::PATIENCE;

/// Waits until the log of the program, which is JSON, names the address of its API.
pub(crate) async fn listening(child: &mut Child) -> SocketAddr {
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = async {
        loop {
            let line = log.next_line().await.unwrap().expect("the API never listened");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["message"] == "the API listens" {
                return line["address"].as_str().unwrap().parse().unwrap();
            }
        }
    };
    let address = tokio::time::timeout(PATIENCE, address).await.unwrap();
    read_on(log);
    address
}

/// A full pipe would stop the program.
#[expect(
    clippy::disallowed_methods,
    reason = "it ends with the program whose log it reads"
)]
fn read_on(mut log: Lines<BufReader<ChildStderr>>) {
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
}

/// Status, headers in lower case, and body. `headers` are more of them, each with its line end.
pub(crate) async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &str,
) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

/// The same for what is only read.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String, String) {
    request(address, "GET", path, "").await
}
