//! `o365-host setup elasticsearch`: installs the index template of the data stream.

use o365_core::{
    ComponentError,
    config::{BuildError, ComponentContext},
};
use reqwest::Method;
use serde_json::Value;

use super::{
    super::{
        delivery::RemoteConfig,
        web::{self, Said},
    },
    Elasticsearch, ElasticsearchConfig,
    options::{ApiVersion, Mode},
    product::Flavour,
    template,
};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The name of the template.
    pub template: String,
    /// Nothing was changed, because it was only to be shown: the body of the request.
    pub dry: Option<String>,
    /// Nothing was changed, because the same is there.
    pub unchanged: bool,
    /// What people should know.
    pub notes: Vec<String>,
}

impl ElasticsearchConfig {
    /// Installs the index template of the sink's data stream, if the server does not have it. `dry_run` only says what it
    /// would be; the server is asked what it is, unless `api_version` says so.
    ///
    /// # Errors
    /// The options are wrong, the sink writes to no data stream, or the server does not take it: with what to do.
    pub async fn setup(&self, cx: &ComponentContext, dry_run: bool) -> Result<Setup, ComponentError> {
        let server = self.destination(cx).map_err(|problems| BuildError { problems })?;
        if self.mode != Mode::DataStream {
            return Err(
                "the sink has `mode: bulk`: its index has no template of ours; make one yourself, `--dry-run` of a sink \
                 with `mode: data_stream` shows mappings to begin with"
                    .into(),
            );
        }
        let flavour = match self.api_version {
            ApiVersion::Auto => server.product().await?.flavour,
            ApiVersion::Elasticsearch => Flavour::Elasticsearch,
            ApiVersion::OpenSearch => Flavour::OpenSearch,
        };
        let body = template::template(&self.data_stream, self.lifecycle, flavour)?;
        let name = template::name(&self.data_stream);
        let mut setup = Setup {
            template: name,
            dry: None,
            unchanged: false,
            notes: Vec::new(),
        };
        if self.lifecycle.is_some() && flavour == Flavour::OpenSearch {
            let note = "OpenSearch has no `lifecycle` of data streams: `data_retention` is left out; make a policy of Index \
                        State Management";
            setup.notes.push(note.to_owned());
        }
        if dry_run {
            setup.dry = Some(serde_json::to_string_pretty(&body)?);
            return Ok(setup);
        }
        if server.has(&setup.template, &body).await? {
            setup.unchanged = true;
        } else {
            server.install(&setup.template, &body).await?;
            let note = "a data stream that is there already uses it from its next index on: `POST <data stream>/_rollover`";
            setup.notes.push(note.to_owned());
        }
        Ok(setup)
    }
}

impl Elasticsearch {
    /// Whether a template is there, and the same.
    async fn has(&self, name: &str, body: &Value) -> Result<bool, ComponentError> {
        let path = format!("_index_template/{name}");
        let said = self.request(Method::GET, &path, None).await?;
        if said.status.as_u16() == 404 {
            return Ok(false);
        }
        let there: Value = serde_json::from_slice(&said.or_failed()?.body)?;
        Ok(template::covers(
            &there["index_templates"][0]["index_template"],
            body,
        ))
    }

    async fn install(&self, name: &str, body: &Value) -> Result<(), ComponentError> {
        let path = format!("_index_template/{name}");
        let body = ("application/json", serde_json::to_vec(body)?);
        self.request(Method::PUT, &path, Some(body)).await?.or_failed()?;
        Ok(())
    }
}

impl Said {
    fn or_failed(self) -> Result<Self, ComponentError> {
        if self.status.is_success() {
            return Ok(self);
        }
        let advice = match self.status.as_u16() {
            401 | 403 => {
                "give the login the cluster privilege `manage_index_templates` (OpenSearch: `indices:admin/index_template/*`)"
            }
            _ => web::advice(self.status),
        };
        Err(format!("{}; {advice}", self.reason()).into())
    }
}
