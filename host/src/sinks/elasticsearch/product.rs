//! What answers at the address: Elasticsearch or OpenSearch, and which version.

use std::fmt;

use o365_core::ComponentError;
use serde::Deserialize;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Product {
    pub(super) flavour: Flavour,
    number: String,
}

/// Where mappings differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    Elasticsearch,
    OpenSearch,
}

#[derive(Deserialize)]
struct Root {
    version: Version,
}

#[derive(Deserialize)]
struct Version {
    number: String,
    distribution: Option<String>,
}

impl Product {
    /// From the answer to `GET /`. Elasticsearch before 7.9 has no data streams.
    pub(super) fn read(body: &[u8]) -> Result<Self, ComponentError> {
        let root: Root = serde_json::from_slice(body).map_err(
            |_| "what answers is neither Elasticsearch nor OpenSearch; check `endpoints`, a path may be missing",
        )?;
        let Version { number, distribution } = root.version;
        if distribution.as_deref() == Some("opensearch") {
            return Ok(Self {
                flavour: Flavour::OpenSearch,
                number,
            });
        }
        let mut parts = number.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
        let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if version < (7, 9) {
            return Err(
                format!("Elasticsearch {number} is too old; update it to 8 or 9, at least to 7.9").into(),
            );
        }
        Ok(Self {
            flavour: Flavour::Elasticsearch,
            number,
        })
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flavour, self.number)
    }
}

impl fmt::Display for Flavour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elasticsearch => "Elasticsearch",
            Self::OpenSearch => "OpenSearch",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_products_and_refuses_what_has_no_data_streams() {
        let read = |body: &str| Product::read(body.as_bytes()).map(|product| product.to_string());
        let opensearch = r#"{"version":{"distribution":"opensearch","number":"2.19.6"}}"#;
        assert_eq!(read(opensearch).unwrap(), "OpenSearch 2.19.6");
        let elastic = |number: &str| format!(r#"{{"version":{{"number":"{number}"}}}}"#);
        assert_eq!(read(&elastic("9.1.0")).unwrap(), "Elasticsearch 9.1.0");
        assert_eq!(read(&elastic("7.10.2")).unwrap(), "Elasticsearch 7.10.2");
        assert!(
            read(&elastic("7.8.1"))
                .unwrap_err()
                .to_string()
                .contains("at least to 7.9")
        );
        assert!(
            read("<html>")
                .unwrap_err()
                .to_string()
                .contains("check `endpoints`")
        );
    }
}
