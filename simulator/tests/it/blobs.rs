//! Fetching.

use std::time::Duration;

use o365_simulator::{BlobContent, BlobSpec, ContentType, Operation, SimulatorError};

use crate::support::{World, small};

#[tokio::test]
async fn a_blob_is_the_same_bytes_each_time() {
    let world = World::start(small()).await;
    let blob = world.some(ContentType::AzureActiveDirectory).await;
    let first = world.fetch(&blob).await;
    assert!(!first.elements().is_empty());
    for event in first.elements() {
        assert_eq!(event["OrganizationId"], world.tenant());
    }
    assert_eq!(world.fetch(&blob).await.text, first.text);
    let with_publisher = format!("{}?PublisherIdentifier=x", blob["contentUri"].as_str().unwrap());
    assert_eq!(world.get_url(&with_publisher).await.text, first.text);

    let report = world.handle.report();
    let id = blob["contentId"].as_str().unwrap();
    let found = report.fetched_repeatedly().next().unwrap();
    assert_eq!(
        (found.content_id.as_str(), found.fetched, found.requested),
        (id, 3, 3)
    );
    assert_eq!(report.never_fetched().count(), report.blobs.len() - 1);
    assert_eq!(report.without_publisher[&Operation::FetchBlob], 2);
    let tenant = world.tenant();
    let served = world
        .handle
        .served_event_ids(tenant, ContentType::AzureActiveDirectory)
        .unwrap();
    assert_eq!(served.len(), first.elements().len());
    let written = world
        .handle
        .events_of(tenant, ContentType::AzureActiveDirectory, id)
        .unwrap();
    assert_eq!(format!("[{}]", written.join(",")), first.text);
}

#[tokio::test]
async fn wrong_ids_are_told_apart() {
    let world = World::start(small()).await;
    let uri = world.some(ContentType::Exchange).await["contentUri"]
        .as_str()
        .unwrap()
        .to_owned();
    world
        .get_url(&uri.replace("$emea0001", "$emea9999"))
        .await
        .refused(404, "AF20050");
    world
        .get(&format!("audit/{}", "nonsense"))
        .await
        .refused(400, "AF20052");
    let touched = uri.replace('$', "%24");
    world.get_url(&touched).await.refused(400, "AF20052");
    assert_eq!(
        world.handle.report().forbidden[0].reason,
        "the `$` of the contentUri was re-encoded"
    );
    assert_eq!(world.get_url(&uri).await.status, 200);
}

#[tokio::test]
async fn blobs_expire_by_the_clock() {
    let world = World::start(small()).await;
    let spec = || BlobSpec::new(world.tenant(), ContentType::General, BlobContent::Generated(1));
    let soon = Some(world.handle.now() + Duration::from_hours(1) / 2);
    let id = world
        .handle
        .add_blob(BlobSpec {
            expires: soon,
            ..spec()
        })
        .unwrap();
    assert_eq!(world.get(&format!("audit/{id}")).await.status, 200);
    world.handle.advance(Duration::from_mins(30));
    world.get(&format!("audit/{id}")).await.refused(400, "AF20051");
}

#[tokio::test]
async fn added_blobs_hold_what_they_were_given() {
    let world = World::start(small()).await;
    let spec = |content| BlobSpec::new(world.tenant(), ContentType::Exchange, content);
    let fetch = async |id: &str| world.get(&format!("audit/{id}")).await.text;
    let events = vec![r#"{"Id":"one"}"#.to_owned(), r#"{"Id" : "two"}"#.to_owned()];
    let given = world.handle.add_blob(spec(BlobContent::Events(events))).unwrap();
    assert_eq!(fetch(&given).await, r#"[{"Id":"one"},{"Id" : "two"}]"#);
    let raw = world
        .handle
        .add_blob(spec(BlobContent::Raw(b"[{\"Id\":\"raw\"}] ".to_vec())))
        .unwrap();
    assert_eq!(fetch(&raw).await, "[{\"Id\":\"raw\"}] ");
    let own = || BlobSpec {
        content_id: Some("my$own$id".to_owned()),
        ..spec(BlobContent::Generated(2))
    };
    assert_eq!(world.handle.add_blob(own()).unwrap(), "my$own$id");
    assert!(matches!(
        world.handle.add_blob(own()),
        Err(SimulatorError::DuplicateContentId { .. })
    ));
    let generated: Vec<serde_json::Value> = serde_json::from_str(&fetch("my$own$id").await).unwrap();
    assert_eq!(generated.len(), 2);

    let ids = world
        .handle
        .event_ids(world.tenant(), ContentType::Exchange)
        .unwrap();
    for id in ["one", "two", "raw", generated[0]["Id"].as_str().unwrap()] {
        assert!(ids.iter().any(|known| known == id), "{id}");
    }
    let nobody = BlobSpec {
        tenant: "nobody".to_owned(),
        ..spec(BlobContent::Generated(1))
    };
    assert!(matches!(
        world.handle.add_blob(nobody),
        Err(SimulatorError::UnknownTenant(_))
    ));
}
