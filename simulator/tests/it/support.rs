//! A client just able enough to ask for things, and nothing of the real one.

use std::collections::BTreeSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use o365_simulator::{
    ContentType, FaultPlan, FaultRule, RunningSimulator, Simulator, SimulatorConfig, SimulatorHandle,
};
use reqwest::{Client, Response, StatusCode};
use serde_json::Value;

/// A running world and a token for its first tenant.
pub(crate) struct World {
    pub(crate) config: SimulatorConfig,
    pub(crate) simulator: RunningSimulator,
    pub(crate) handle: SimulatorHandle,
    pub(crate) client: Client,
    pub(crate) token: String,
}

/// One answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) next: Option<String>,
    pub(crate) date: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) async fn of(response: Response) -> Self {
        let header = |name: &str| {
            response
                .headers()
                .get(name)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        Self {
            status: response.status(),
            next: header("nextpageuri"),
            date: header("date").unwrap(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    #[track_caller]
    pub(crate) fn elements(&self) -> Vec<Value> {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
            .as_array()
            .unwrap_or_else(|| panic!("no array: {}", self.text))
            .clone()
    }

    /// Asserts status and `error.code`.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(
            (self.status.as_u16(), self.json()["error"]["code"].as_str()),
            (status, Some(code)),
            "{self:?}"
        );
    }
}

/// Two tenants, few events, everything subscribed.
pub(crate) fn small() -> SimulatorConfig {
    let mut config = SimulatorConfig::demo(42, 2, 600);
    config.subscribed = true;
    config.events_per_blob = 5;
    config.page_size = 4;
    config
}

impl World {
    pub(crate) async fn start(config: SimulatorConfig) -> Self {
        let simulator = Simulator::start_local(config.clone()).await.unwrap();
        let client = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        let handle = simulator.handle();
        let mut world = Self {
            config,
            simulator,
            handle,
            client,
            token: String::new(),
        };
        world.token = world.fresh_token(0).await;
        world
    }

    /// A world with these faults, which do not see the first token request.
    pub(crate) async fn with_faults(
        config: SimulatorConfig,
        rules: impl IntoIterator<Item = FaultRule>,
    ) -> Self {
        let world = Self::start(config).await;
        world.handle.set_faults(FaultPlan::new(rules));
        world
    }

    pub(crate) fn tenant(&self) -> &str {
        &self.config.tenants[0].id
    }

    pub(crate) fn form(&self) -> Vec<(&'static str, String)> {
        vec![
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", self.config.application_id.clone()),
            ("client_secret", self.config.client_secret.clone()),
            ("scope", format!("{}/.default", self.simulator.base_url())),
            ("resource", self.simulator.base_url().to_owned()),
        ]
    }

    pub(crate) async fn ask_token(&self, path: &str, form: &[(&str, String)]) -> Answer {
        let url = format!("{}{path}", self.simulator.base_url());
        Answer::of(self.client.post(url).form(form).send().await.unwrap()).await
    }

    pub(crate) async fn fresh_token(&self, tenant: usize) -> String {
        let path = format!("/{}/oauth2/v2.0/token", self.config.tenants[tenant].id);
        let answer = self.ask_token(&path, &self.form()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    pub(crate) fn url(&self, operation: &str) -> String {
        format!(
            "{}/api/v1.0/{}/activity/feed/{operation}",
            self.simulator.base_url(),
            self.tenant()
        )
    }

    pub(crate) async fn get_url(&self, url: &str) -> Answer {
        Answer::of(
            self.client
                .get(url)
                .bearer_auth(&self.token)
                .send()
                .await
                .unwrap(),
        )
        .await
    }

    pub(crate) async fn get(&self, operation: &str) -> Answer {
        self.get_url(&self.url(operation)).await
    }

    pub(crate) async fn post(&self, operation: &str) -> Answer {
        let request = self
            .client
            .post(self.url(operation))
            .bearer_auth(&self.token)
            .header("content-length", "0");
        Answer::of(request.send().await.unwrap()).await
    }

    pub(crate) fn listing_url(
        &self,
        content_type: ContentType,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> String {
        let stamp = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true).replace('Z', "");
        self.url(&format!(
            "subscriptions/content?contentType={content_type}&startTime={}&endTime={}&PublisherIdentifier={}",
            stamp(start),
            stamp(end),
            self.tenant()
        ))
    }

    pub(crate) async fn list(
        &self,
        content_type: ContentType,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Answer {
        self.get_url(&self.listing_url(content_type, start, end)).await
    }

    /// Follows all pages; every URL is used verbatim.
    pub(crate) async fn list_all(
        &self,
        content_type: ContentType,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Vec<Vec<Value>> {
        let (mut pages, mut url) = (Vec::new(), Some(self.listing_url(content_type, start, end)));
        while let Some(next) = url {
            let answer = self.get_url(&next).await;
            pages.push(answer.elements());
            url = answer.next;
            assert!(pages.len() < 500, "endless pages");
        }
        pages
    }

    /// Every descriptor of the feed over the history, in windows of a day.
    pub(crate) async fn everything(&self, content_type: ContentType) -> Vec<Value> {
        let (now, mut found) = (self.handle.now(), Vec::new());
        for day in 1..=7 {
            let start = now - TimeDelta::days(day);
            found.extend(
                self.list_all(content_type, start, start + TimeDelta::days(1))
                    .await
                    .into_iter()
                    .flatten(),
            );
        }
        found
    }

    pub(crate) async fn fetch(&self, descriptor: &Value) -> Answer {
        self.get_url(descriptor["contentUri"].as_str().unwrap()).await
    }

    /// Some descriptor of this feed.
    pub(crate) async fn some(&self, content_type: ContentType) -> Value {
        self.everything(content_type)
            .await
            .into_iter()
            .next()
            .expect("the feed is not empty")
    }
}

pub(crate) fn ids(descriptors: &[Value]) -> BTreeSet<String> {
    descriptors
        .iter()
        .map(|entry| entry["contentId"].as_str().unwrap().to_owned())
        .collect()
}

/// The second part of a JWT.
pub(crate) fn claims(token: &str) -> Value {
    use base64::Engine;
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(
        &base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(payload)
            .unwrap(),
    )
    .unwrap()
}
