//! Which of our crates may know which: arrows point one way, and an arrow that is not in the table is refused.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use serde::Deserialize;

use crate::workspace;

const CORE: &str = "o365-core";
const SOURCE: &str = "o365-source";
const SIMULATOR: &str = "o365-simulator";
const ECS: &str = "o365-ecs";
const HOST: &str = "o365-host";

/// What one crate may depend on among our own.
#[derive(Debug)]
struct Rule {
    package: &'static str,
    allowed: Allowed,
    /// Dev-dependencies beyond `allowed`.
    allowed_in_tests: &'static [&'static str],
    why: &'static str,
}

#[derive(Debug)]
enum Allowed {
    Only(&'static [&'static str]),
    Anything,
}

const RULES: &[Rule] = &[
    Rule {
        package: CORE,
        allowed: Allowed::Only(&[]),
        allowed_in_tests: &[],
        why: "core knows nobody",
    },
    Rule {
        package: SOURCE,
        allowed: Allowed::Only(&[CORE]),
        allowed_in_tests: &[SIMULATOR],
        why: "the source can be used by another program without the host",
    },
    Rule {
        package: SIMULATOR,
        allowed: Allowed::Only(&[CORE]),
        allowed_in_tests: &[],
        why: "a misspelt field shared by the simulator and the source would pass every test",
    },
    Rule {
        package: ECS,
        allowed: Allowed::Only(&[]),
        allowed_in_tests: &[],
        why: "the WIT world is all that the mapping shares with us",
    },
    Rule {
        package: HOST,
        allowed: Allowed::Only(&[CORE, SOURCE, SIMULATOR]),
        // The end-to-end tests compare the component with the library that it is built from.
        allowed_in_tests: &[ECS],
        why: "the host reaches the mapping through the component",
    },
    Rule {
        package: "o365-bench",
        allowed: Allowed::Only(&[ECS, HOST, SIMULATOR]),
        allowed_in_tests: &[],
        why: "benchmarks compare what must not know each other, and nobody depends on them",
    },
    Rule {
        package: "xtask",
        allowed: Allowed::Anything,
        allowed_in_tests: &[],
        why: "",
    },
];

/// The part of `cargo metadata --no-deps` that is read.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `None` for a normal dependency, else `dev` or `build`.
    kind: Option<String>,
}

/// `cargo xtask check-deps`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let metadata: Metadata = workspace::metadata(root, &["--no-deps", "--offline"])?;
    let problems = problems(&metadata);
    if !problems.is_empty() {
        bail!(
            "dependencies that the architecture does not have:\n  {}\n\
             remove them from the manifest, or change the table in xtask/src/deps.rs together with the design",
            problems.join("\n  ")
        );
    }
    println!(
        "{} workspace crates depend on each other only as allowed",
        metadata.packages.len()
    );
    Ok(())
}

fn problems(metadata: &Metadata) -> Vec<String> {
    let ours: BTreeSet<&str> = metadata
        .packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut problems = Vec::new();
    for package in &metadata.packages {
        let Some(rule) = RULES.iter().find(|rule| rule.package == package.name) else {
            problems.push(format!("{}: a crate without a rule", package.name));
            continue;
        };
        let edges = package
            .dependencies
            .iter()
            .filter(|edge| ours.contains(edge.name.as_str()));
        problems.extend(edges.filter(|edge| !rule.permits(edge)).map(|edge| {
            let kind = edge
                .kind
                .as_deref()
                .map_or_else(String::new, |kind| format!(" ({kind})"));
            format!("{} -> {}{kind}: {}", package.name, edge.name, rule.why)
        }));
    }
    problems
}

impl Rule {
    fn permits(&self, edge: &Dependency) -> bool {
        let name = edge.name.as_str();
        match self.allowed {
            Allowed::Anything => true,
            Allowed::Only(allowed) => {
                allowed.contains(&name)
                    || (edge.kind.as_deref() == Some("dev") && self.allowed_in_tests.contains(&name))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `edges` of `package`, written `name` or `dev:name`, in a workspace of all our crates.
    #[track_caller]
    fn check(package: &str, edges: &[&str], expect: &[&str]) {
        let mut packages: Vec<Package> = RULES
            .iter()
            .filter(|rule| rule.package != package)
            .map(|rule| Package {
                name: rule.package.to_owned(),
                dependencies: Vec::new(),
            })
            .collect();
        let dependencies = edges
            .iter()
            .map(|edge| match edge.split_once(':') {
                Some((kind, name)) => Dependency {
                    name: name.to_owned(),
                    kind: Some(kind.to_owned()),
                },
                None => Dependency {
                    name: (*edge).to_owned(),
                    kind: None,
                },
            })
            .collect();
        packages.push(Package {
            name: package.to_owned(),
            dependencies,
        });
        let found: Vec<String> = problems(&Metadata { packages })
            .into_iter()
            .map(|problem| {
                problem
                    .split_once(": ")
                    .map_or(problem.clone(), |(edge, _)| edge.to_owned())
            })
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn core_knows_nobody() {
        check(CORE, &["serde", "bytes"], &[]);
        check(
            CORE,
            &[SOURCE, "dev:o365-simulator"],
            &["o365-core -> o365-source", "o365-core -> o365-simulator (dev)"],
        );
    }

    #[test]
    fn source_meets_the_simulator_only_in_tests() {
        check(SOURCE, &[CORE, "dev:o365-simulator", "dev:o365-core"], &[]);
        check(
            SOURCE,
            &[SIMULATOR, HOST],
            &["o365-source -> o365-simulator", "o365-source -> o365-host"],
        );
    }

    #[test]
    fn simulator_shares_nothing_with_source_and_host() {
        check(SIMULATOR, &[CORE], &[]);
        check(
            SIMULATOR,
            &[SOURCE, "dev:o365-host"],
            &[
                "o365-simulator -> o365-source",
                "o365-simulator -> o365-host (dev)",
            ],
        );
    }

    #[test]
    fn mapping_knows_none_of_us() {
        check(ECS, &["serde_json", "dev:proptest"], &[]);
        check(
            ECS,
            &[CORE, "dev:o365-host"],
            &["o365-ecs -> o365-core", "o365-ecs -> o365-host (dev)"],
        );
    }

    #[test]
    fn host_does_not_link_the_mapping() {
        check(HOST, &[CORE, SOURCE, SIMULATOR], &[]);
        check(HOST, &["dev:o365-ecs"], &[]);
        check(HOST, &["o365-ecs"], &["o365-host -> o365-ecs"]);
    }

    #[test]
    fn a_new_crate_needs_a_rule() {
        check("o365-new", &[], &["o365-new"]);
    }

    #[test]
    fn this_workspace_keeps_its_rules() {
        run(&workspace::root().unwrap()).unwrap();
    }
}
