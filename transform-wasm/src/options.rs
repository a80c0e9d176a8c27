//! What a user can set, read strictly: an unknown or unfit option is an error that says what would be right.

use std::collections::BTreeMap;
use std::fmt;

use bumpalo::Bump;

use crate::json::{Value, parse};
use crate::profile::{CURRENT, PROFILES, Profile};

const NAMES: [&str; 6] = [
    "profile",
    "extensions",
    "preserve_original",
    "tenants",
    "namespace",
    "tags",
];

/// The options of a mapper.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) profile: &'static Profile,
    pub(crate) extensions: bool,
    pub(crate) preserve_original: bool,
    /// Names of tenants by lower-case id.
    pub(crate) tenants: BTreeMap<String, String>,
    pub(crate) namespace: String,
    pub(crate) tags: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            profile: &CURRENT,
            extensions: true,
            preserve_original: true,
            tenants: BTreeMap::new(),
            namespace: "default".to_owned(),
            tags: Vec::new(),
        }
    }
}

impl Options {
    pub(crate) fn from_json(json: &str) -> Result<Self, ConfigError> {
        let bump = Bump::new();
        let mut options = Self::default();
        if json.trim().is_empty() {
            return Ok(options);
        }
        let value =
            parse(bump.alloc_str(json), &bump).map_err(|error| ConfigError(format!("not JSON: {error}")))?;
        let Some(object) = value.object() else {
            return Err(ConfigError("expected a JSON object of options".to_owned()));
        };
        let unknown: Vec<String> = object
            .iter()
            .map(|(name, _)| name.decoded().into_owned())
            .filter(|name| !NAMES.contains(&name.as_str()))
            .map(|name| format!("`{name}`"))
            .collect();
        if !unknown.is_empty() {
            let plural = if unknown.len() == 1 { "" } else { "s" };
            return Err(ConfigError(format!(
                "unknown option{plural} {}; valid options are {}",
                unknown.join(", "),
                listed(&NAMES)
            )));
        }
        for (name, value) in object.iter() {
            let name = name.decoded();
            options.set(&name, value, &bump)?;
        }
        Ok(options)
    }

    fn set<'a>(&mut self, name: &str, value: &Value<'a>, bump: &'a Bump) -> Result<(), ConfigError> {
        match name {
            "profile" => {
                let chosen = value.text().map(|text| text.plain(bump));
                self.profile = PROFILES
                    .into_iter()
                    .find(|profile| Some(profile.name) == chosen)
                    .ok_or_else(|| {
                        unfit(
                            name,
                            &format!("must be one of {}", listed(&PROFILES.map(|it| it.name))),
                        )
                    })?;
            }
            "extensions" => self.extensions = boolean(name, value)?,
            "preserve_original" => self.preserve_original = boolean(name, value)?,
            "tenants" => {
                let rule = "must be an object of tenant ids and names, both strings";
                let tenants = value.object().ok_or_else(|| unfit(name, rule))?;
                for (id, tenant) in tenants.iter() {
                    let tenant = tenant.text().ok_or_else(|| unfit(name, rule))?;
                    self.tenants
                        .insert(id.decoded().to_lowercase(), tenant.decoded().into_owned());
                }
            }
            "namespace" => {
                let namespace = value.text().filter(|text| !text.is_empty());
                let namespace = namespace.ok_or_else(|| unfit(name, "must be a string that is not empty"))?;
                self.namespace = namespace.decoded().into_owned();
            }
            "tags" => {
                let rule = "must be a list of strings";
                let tags = value.list().ok_or_else(|| unfit(name, rule))?;
                self.tags = tags
                    .iter()
                    .map(|tag| tag.text().map(|tag| tag.decoded().into_owned()))
                    .collect::<Option<_>>()
                    .ok_or_else(|| unfit(name, rule))?;
            }
            _ => {}
        }
        Ok(())
    }
}

fn boolean(name: &str, value: &Value<'_>) -> Result<bool, ConfigError> {
    match value {
        Value::Bool(value) => Ok(*value),
        _ => Err(unfit(name, "must be true or false")),
    }
}

fn unfit(name: &str, rule: &str) -> ConfigError {
    ConfigError(format!("option `{name}` {rule}"))
}

fn listed(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Why options were refused, for the person who wrote them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
