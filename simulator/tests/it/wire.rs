//! What only shows in the bytes of the connection.

use o365_simulator::{Action, ContentType, FaultRule, Operation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{World, small};

async fn exchange(world: &World, request: &str) -> String {
    let address = world.simulator.base_url().strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "{request}Host: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        world.token
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_post_without_content_length_is_411() {
    let world = World::start(small()).await;
    let path = format!(
        "/api/v1.0/{}/activity/feed/subscriptions/start?contentType=Audit.Exchange",
        world.tenant()
    );
    let without = exchange(&world, &format!("POST {path} HTTP/1.1\r\n")).await;
    assert!(without.starts_with("HTTP/1.1 411 "), "{without}");
    let with = exchange(&world, &format!("POST {path} HTTP/1.1\r\nContent-Length: 0\r\n")).await;
    assert!(with.contains("AF20024"), "{with}");
}

#[tokio::test]
async fn the_name_of_the_page_header_is_spelt_as_ordered() {
    let on = |nth, name: &str| FaultRule {
        nth: Some(nth),
        ..FaultRule::new(
            Operation::ListContent,
            Action::NextPageHeader {
                name: name.to_owned(),
            },
        )
    };
    let world = World::with_faults(
        small(),
        [on(2, "nextpageuri"), on(3, "NEXTPAGEURI"), on(4, "NextPageUrl")],
    )
    .await;
    let now = world.handle.now();
    let url = world.listing_url(ContentType::Exchange, now - chrono::TimeDelta::hours(24), now);
    let target = url.strip_prefix(world.simulator.base_url()).unwrap();
    for name in ["NextPageUri", "nextpageuri", "NEXTPAGEURI", "NextPageUrl"] {
        let answer = exchange(&world, &format!("GET {target} HTTP/1.1\r\n")).await;
        let head = answer.split("\r\n\r\n").next().unwrap();
        assert!(
            head.contains(&format!("\r\n{name}: http://127.0.0.1:")),
            "{name} in {head}"
        );
        assert!(
            head.contains("\r\nserver: Microsoft-IIS/10.0") || head.contains("erver: Microsoft"),
            "{head}"
        );
    }
}
