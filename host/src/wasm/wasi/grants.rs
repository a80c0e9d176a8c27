//! The option `wasi`, and the flag of the same name.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What a component that imports WASI gets of it. Files and the network cannot be granted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WasiGrants {
    /// The clocks of the machine, and waiting within the deadline. Without, clocks stand still at 1970. Default `false`.
    pub clocks: bool,
    /// Random numbers. Without, the same numbers at every start. Default `false`.
    pub random: bool,
    /// Lines of standard error and standard output go to the log. Without, they are discarded. Default `false`.
    pub stderr: bool,
}

impl WasiGrants {
    /// The names of what is granted, as in the configuration.
    pub(in crate::wasm) fn names(self) -> Vec<&'static str> {
        [
            ("clocks", self.clocks),
            ("random", self.random),
            ("stderr", self.stderr),
        ]
        .into_iter()
        .filter_map(|(name, granted)| granted.then_some(name))
        .collect()
    }
}

/// As in the configuration: `{}`, `{ clocks: true }`.
impl fmt::Display for WasiGrants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let granted: Vec<_> = self.names().iter().map(|name| format!("{name}: true")).collect();
        if granted.is_empty() {
            f.write_str("{}")
        } else {
            write!(f, "{{ {} }}", granted.join(", "))
        }
    }
}

/// As in a flag: nothing, or names with commas between.
impl FromStr for WasiGrants {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut grants = Self::default();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            match name {
                "clocks" => grants.clocks = true,
                "random" => grants.random = true,
                "stderr" => grants.stderr = true,
                _ => {
                    return Err(format!(
                        "there is no `{name}` to grant; there are `clocks`, `random` and `stderr`"
                    ));
                }
            }
        }
        Ok(grants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_and_the_configuration_name_the_same() {
        let grants: WasiGrants = "clocks,stderr".parse().unwrap();
        assert_eq!(grants.to_string(), "{ clocks: true, stderr: true }");
        assert_eq!("".parse(), Ok(WasiGrants::default()));
        assert_eq!(WasiGrants::default().to_string(), "{}");
        assert!(
            "files"
                .parse::<WasiGrants>()
                .unwrap_err()
                .contains("no `files` to grant")
        );
    }
}
