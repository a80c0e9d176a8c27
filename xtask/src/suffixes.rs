//! The public suffixes that the mapping knows. The crate `psl` compiles the whole list to code, which would more than
//! triple the component; the mapping needs the registries' part of it only, and one lookup for a URL. So that part is kept
//! as sorted text.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use psl::{List, Psl as _, Type};
use serde::Deserialize;

use crate::workspace;

const TEXT: &str = "transform-wasm/src/extensions/url/suffixes.txt";

/// The part of `cargo metadata` that is read.
#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// `cargo xtask suffixes`.
pub(crate) fn run(root: &Path) -> Result<()> {
    let metadata: Metadata = workspace::metadata(root, &[])?;
    let psl = metadata
        .packages
        .into_iter()
        .find(|package| package.name == "psl")
        .context("the crate psl is not in Cargo.lock")?;
    let rules = workspace::read_text(&psl.manifest_path.with_file_name("data").join("rules.txt"))?;
    let registries = of_registries(&rules)?;
    let text: String = registries.iter().flat_map(|rule| [rule, "\n"]).collect();
    let path = root.join(TEXT);
    std::fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    println!("{TEXT}: {} rules", registries.len());
    Ok(())
}

/// The rules of the list's first part, names of other scripts in both spellings.
fn of_registries(rules: &str) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for rule in rules.lines().map(str::trim).filter(|rule| !rule.is_empty()) {
        // A name that the rule, and no longer one, is about.
        let example = rule
            .strip_prefix('!')
            .map_or_else(|| rule.replacen('*', "example", 1), str::to_owned);
        let labels = example.rsplit('.').map(str::as_bytes);
        if List.find(labels).typ == Some(Type::Icann) {
            let (mark, name) = rule.split_at(rule.find(|c| !matches!(c, '!' | '*' | '.')).unwrap_or(0));
            let ascii = idna::domain_to_ascii(name).with_context(|| format!("`{rule}` is no domain"))?;
            found.insert(rule.to_owned());
            found.insert(format!("{mark}{ascii}"));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn companies_are_left_out_and_other_scripts_come_twice() {
        let rules = "com\n*.ck\n!www.ck\ngithub.io\nazurewebsites.net\naéroport.ci\n\n";
        let found = of_registries(rules).expect("rules");
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            ["!www.ck", "*.ck", "aéroport.ci", "com", "xn--aroport-bya.ci"]
        );
    }
}
