//! One digest over everything of ours that decides what the component does.
//!
//! That is: the files of the crate and of `wit/`, the counts that its code is laid out by, the build profile, what the
//! crate inherits from the workspace's manifest, and the locked versions of its own dependencies. Not the whole lock
//! file: an update of a library that only the host uses leaves the component alone.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use toml::{Table, Value};

use crate::workspace;

const MANIFEST: &str = "transform-wasm/Cargo.toml";
/// Which branches the mapping takes: `train.rs`.
pub(crate) const PROFILE: &str = "transform-wasm/component/o365_ecs.profdata";
const FOLDERS: [&str; 2] = ["transform-wasm/src", "wit"];
const PROFILES: [&str; 2] = ["wasm", "release"];
const WASM_ONLY: &str = r#"cfg(target_arch = "wasm32")"#;

/// The digest of the tree at `root`, in hexadecimal. The same on every machine and at every path.
pub(crate) fn digest(root: &Path) -> Result<String> {
    let mut parts = code(root)?;
    let profile =
        workspace::read_bytes(&root.join(PROFILE)).context("make it with: cargo xtask wasm --train")?;
    parts.insert(format!("file {PROFILE}"), profile);
    Ok(digest_of(&parts))
}

/// The same without the profile, which is made of all the rest.
pub(crate) fn digest_of_code(root: &Path) -> Result<String> {
    Ok(digest_of(&code(root)?))
}

/// By name, so that the order is always the same.
type Parts = BTreeMap<String, Vec<u8>>;

fn code(root: &Path) -> Result<Parts> {
    let mut parts = files(root)?;
    let workspace = table(&root.join("Cargo.toml"))?;
    let manifest = table(&root.join(MANIFEST))?;
    let lock = Lock::read(root)?;
    parts.extend(inherited(&workspace, &manifest));
    for package in lock.closure(direct_dependencies(&manifest))? {
        parts.insert(
            format!("locked {} {}", package.name, package.version),
            package.checksum.into_bytes(),
        );
    }
    Ok(parts)
}

fn digest_of(parts: &Parts) -> String {
    let mut hasher = Sha256::new();
    for (name, content) in parts {
        // Lengths first, so that no content can pass for another part's name.
        hasher.update(format!("{}:{name}\n{}:", name.len(), content.len()));
        hasher.update(content);
    }
    format!("{:x}", hasher.finalize())
}

/// Whether a change of this file, relative to the root, changes the digest.
pub(crate) fn covers(file: &Path) -> bool {
    [MANIFEST, PROFILE].iter().any(|one| file == Path::new(one))
        || FOLDERS.iter().any(|folder| file.starts_with(folder))
}

fn files(root: &Path) -> Result<Parts> {
    let mut paths = vec![PathBuf::from(MANIFEST)];
    for folder in FOLDERS {
        collect(root, Path::new(folder), &mut paths)?;
    }
    let read = |path: PathBuf| {
        let content = workspace::read_bytes(&root.join(&path))?;
        let name = path
            .to_str()
            .context("a source file's name is not UTF-8")?
            .replace('\\', "/");
        Ok((format!("file {name}"), content))
    };
    paths.into_iter().map(read).collect()
}

fn collect(root: &Path, folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(root.join(folder))
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("{} cannot be read", folder.display()))?;
        let path = folder.join(entry.file_name());
        // Editors leave hidden files behind; cargo reads none.
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.path().is_dir() {
            collect(root, &path, paths)?;
        } else {
            paths.push(path);
        }
    }
    Ok(())
}

/// The parts of the workspace's manifest that reach the crate, as canonical JSON, so that comments and layout of the
/// manifest do not matter.
fn inherited(workspace: &Table, manifest: &Table) -> Parts {
    let mut parts = BTreeMap::new();
    let mut add = |path: &[&str]| {
        let value = path.iter().try_fold(None, |at: Option<&Value>, key| {
            at.map_or_else(|| workspace.get(*key), |at| at.get(key)).map(Some)
        });
        let value = value.flatten().map(canonical).unwrap_or_default();
        parts.insert(format!("manifest {}", path.join(".")), value.into_bytes());
    };
    for profile in PROFILES {
        add(&["profile", profile]);
    }
    add(&["workspace", "package", "version"]);
    add(&["workspace", "package", "edition"]);
    for (name, _) in dependency_tables(manifest)
        .flatten()
        .filter(|(_, value)| is_inherited(value))
    {
        add(&["workspace", "dependencies", name]);
    }
    parts
}

fn is_inherited(dependency: &Value) -> bool {
    dependency.get("workspace").and_then(Value::as_bool) == Some(true)
}

fn canonical(value: &Value) -> String {
    // A `Table` is sorted by key.
    serde_json::to_string(value).expect("TOML without dates is JSON")
}

/// The dependencies of the component: neither those of tests, nor those of other targets.
fn dependency_tables(manifest: &Table) -> impl Iterator<Item = &Table> {
    let wasm = manifest.get("target").and_then(|targets| targets.get(WASM_ONLY));
    let tables = [
        manifest.get("dependencies"),
        manifest.get("build-dependencies"),
        wasm.and_then(|wasm| wasm.get("dependencies")),
    ];
    tables.into_iter().flatten().filter_map(Value::as_table)
}

fn direct_dependencies(manifest: &Table) -> BTreeSet<String> {
    dependency_tables(manifest)
        .flatten()
        .map(|(name, value)| {
            value
                .get("package")
                .and_then(Value::as_str)
                .unwrap_or(name)
                .to_owned()
        })
        .collect()
}

fn table(path: &Path) -> Result<Table> {
    workspace::read_text(path)?
        .parse()
        .with_context(|| format!("{} is not TOML", path.display()))
}

/// What is read of `Cargo.lock`.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct Lock {
    package: Vec<Package>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
struct Package {
    name: String,
    version: String,
    /// Absent for our own crates.
    #[serde(default)]
    checksum: String,
    #[serde(default)]
    dependencies: Vec<String>,
}

impl Lock {
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let path = root.join("Cargo.lock");
        toml::from_str(&workspace::read_text(&path)?)
            .with_context(|| format!("{} is not understood", path.display()))
    }

    /// The locked version of a direct dependency of one of our crates.
    pub(crate) fn version_used_by(&self, user: &str, dependency: &str) -> Result<&str> {
        let user = self.find(user)?;
        let reference = user
            .dependencies
            .iter()
            .find(|reference| name_of(reference) == dependency);
        let reference = reference.with_context(|| {
            format!(
                "Cargo.lock has no {dependency} for {}; update it with: cargo check -p xtask",
                user.name
            )
        })?;
        Ok(&self.find(reference)?.version)
    }

    /// The locked packages that the crate's dependencies `direct` lead to, themselves included.
    fn closure(&self, direct: BTreeSet<String>) -> Result<BTreeSet<Package>> {
        let ours = self.find("o365-ecs")?;
        let mut found = BTreeSet::new();
        let mut open: Vec<&str> = Vec::new();
        for name in direct {
            let reference = ours
                .dependencies
                .iter()
                .find(|reference| name_of(reference) == name);
            open.push(reference.with_context(|| {
                format!("Cargo.lock has no {name} for o365-ecs; update it with: cargo check -p o365-ecs")
            })?);
        }
        while let Some(reference) = open.pop() {
            let package = self.find(reference)?;
            if found.insert(package.clone()) {
                open.extend(package.dependencies.iter().map(String::as_str));
            }
        }
        Ok(found)
    }

    /// A reference is `name`, or `name version` where several are locked, or `name version (source)`.
    fn find(&self, reference: &str) -> Result<&Package> {
        let mut words = reference.split(' ');
        let (name, version) = (words.next().unwrap_or_default(), words.next());
        let fits = |package: &&Package| {
            package.name == name && version.is_none_or(|version| package.version == version)
        };
        let mut fitting = self.package.iter().filter(fits);
        let found = fitting
            .next()
            .with_context(|| format!("Cargo.lock has no package {reference}"))?;
        ensure!(
            fitting.next().is_none(),
            "Cargo.lock has several packages {reference}"
        );
        Ok(found)
    }
}

fn name_of(reference: &str) -> &str {
    reference.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKSPACE: &str = r#"
        [workspace.package]
        version = "1.0.0"
        edition = "2024"
        [workspace.dependencies]
        guest-lib = "1"
        host-lib = "1"
        [profile.wasm]
        opt-level = 3
        [profile.dev]
        debug = true
    "#;
    const CRATE: &str = r#"
        [dependencies]
        json = "1"
        [target.'cfg(target_arch = "wasm32")'.dependencies]
        guest-lib.workspace = true
        [dev-dependencies]
        test-lib = "1"
    "#;
    const LOCK: &str = r#"
        [[package]]
        name = "o365-ecs"
        version = "1.0.0"
        dependencies = ["guest-lib 1.0.0", "json", "test-lib"]
        [[package]]
        name = "json"
        version = "1.0.0"
        checksum = "aa"
        dependencies = ["memory"]
        [[package]]
        name = "memory"
        version = "1.0.0"
        checksum = "bb"
        [[package]]
        name = "guest-lib"
        version = "1.0.0"
        checksum = "cc"
        [[package]]
        name = "guest-lib"
        version = "0.9.0"
        checksum = "dd"
        [[package]]
        name = "test-lib"
        version = "1.0.0"
        checksum = "ee"
    "#;

    /// A tree in a folder of its own, removed at the end.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Self {
            let root = std::env::temp_dir().join(format!("xtask-source-{name}-{}", std::process::id()));
            let tree = Self(root);
            tree.write("Cargo.toml", WORKSPACE);
            tree.write("Cargo.lock", LOCK);
            tree.write(MANIFEST, CRATE);
            tree.write("transform-wasm/src/lib.rs", "mod deep;");
            tree.write("transform-wasm/src/deep/mod.rs", "");
            tree.write("wit/transform.wit", "package a:b;");
            tree.write(PROFILE, "counts");
            tree
        }

        fn write(&self, file: &str, text: &str) {
            let path = self.0.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn replace(&self, file: &str, from: &str, to: &str) {
            let text = workspace::read_text(&self.0.join(file)).unwrap();
            assert!(text.contains(from), "{file} has no {from}");
            self.write(file, &text.replace(from, to));
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            std::fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[track_caller]
    fn check(name: &str, is_stale: bool, change: impl FnOnce(&Tree)) {
        let tree = Tree::new(name);
        let before = digest(&tree.0).unwrap();
        change(&tree);
        assert_eq!(digest(&tree.0).unwrap() != before, is_stale);
    }

    #[test]
    fn what_the_component_is_made_of_makes_it_stale() {
        check("src", true, |tree| {
            tree.write("transform-wasm/src/deep/mod.rs", "// new");
        });
        check("new", true, |tree| {
            tree.write("transform-wasm/src/deep/new.rs", "");
        });
        check("wit", true, |tree| {
            tree.write("wit/transform.wit", "package a:c;");
        });
        check("manifest", true, |tree| {
            tree.replace(MANIFEST, "json = \"1\"", "json = \"1.0\"");
        });
        check("profile", true, |tree| {
            tree.replace("Cargo.toml", "opt-level = 3", "opt-level = 2");
        });
        check("version", true, |tree| {
            tree.replace("Cargo.toml", "version = \"1.0.0\"", "version = \"1.0.1\"");
        });
        check("features", true, |tree| {
            tree.replace("Cargo.toml", "guest-lib = \"1\"", "guest-lib = \"1.0\"");
        });
        check("counts", true, |tree| tree.write(PROFILE, "other counts"));
        check("locked", true, |tree| tree.replace("Cargo.lock", "bb", "b2"));
    }

    #[test]
    fn what_others_are_made_of_does_not() {
        check("dev", false, |tree| {
            tree.replace("Cargo.toml", "debug = true", "debug = false # faster");
        });
        check("host", false, |tree| {
            tree.replace("Cargo.toml", "host-lib = \"1\"", "host-lib = \"2\"");
        });
        check("other", false, |tree| tree.replace("Cargo.lock", "dd", "d2"));
        check("tests", false, |tree| tree.replace("Cargo.lock", "ee", "e2"));
        check("swap", false, |tree| {
            tree.write("transform-wasm/src/.lib.rs.swp", "x");
        });
        check("output", false, |tree| {
            tree.write("transform-wasm/component/o365_ecs.wasm", "x");
        });
    }

    #[test]
    fn the_profile_is_no_part_of_what_it_is_made_of() {
        let tree = Tree::new("profile-alone");
        let before = digest_of_code(&tree.0).unwrap();
        tree.write(PROFILE, "other counts");
        assert_eq!(digest_of_code(&tree.0).unwrap(), before);
        tree.write("transform-wasm/src/lib.rs", "mod other;");
        assert_ne!(digest_of_code(&tree.0).unwrap(), before);
    }

    #[test]
    fn the_digest_knows_no_path() {
        assert_eq!(
            digest(&Tree::new("here").0).unwrap(),
            digest(&Tree::new("there").0).unwrap()
        );
    }

    #[test]
    fn covers_what_it_digests() {
        for file in [
            "transform-wasm/Cargo.toml",
            "transform-wasm/src/deep/mod.rs",
            "wit/transform.wit",
            PROFILE,
        ] {
            assert!(covers(Path::new(file)), "{file}");
        }
        assert!(!covers(Path::new("fixtures/list.json")));
    }
}
