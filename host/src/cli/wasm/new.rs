//! `wasm new`: a complete small project for a component, to start from.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::Context;

use crate::cli::{EXIT_OK, Failed, report};

/// Longer names make paths that some systems refuse.
const NAME_CHARS: usize = 64;

/// Names with another meaning for Rust or for cargo, or of libraries that the project uses.
const TAKEN: &str = "\
    abstract alloc as async await become box break build const continue core crate deps do dyn else enum examples \
    extern false final fixtures fn for gen if impl in incremental let loop macro match mod move mut override priv \
    proc-macro pub ref return self serde-json static std struct super test trait true try type typeof unsafe \
    unsized use virtual where while wit-bindgen yield";

/// The contract of this host.
const WIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/transform.wit"));

/// Files of a project, with `{{name}}` and `{{crate}}` to be replaced.
type Files = &'static [(&'static str, &'static str)];

/// What the projects of all languages have.
const SHARED: Files = &[
    ("pipeline.yaml", include_str!("template/shared/pipeline.yaml")),
    (
        "fixtures/sign-in.json",
        include_str!("template/shared/sign-in.json"),
    ),
    (
        "fixtures/sign-in.json-expected.json",
        include_str!("template/shared/sign-in.json-expected.json"),
    ),
    ("wit/transform.wit", WIT),
];

const RUST: Files = &[
    ("Cargo.toml", include_str!("template/rust/Cargo.toml.txt")),
    ("README.md", include_str!("template/rust/README.md")),
    (".gitignore", include_str!("template/rust/gitignore.txt")),
    ("src/lib.rs", include_str!("template/rust/lib.rs")),
    ("src/component.rs", include_str!("template/rust/component.rs")),
    ("tests/fixtures.rs", include_str!("template/rust/fixtures.rs")),
];

const JAVASCRIPT: Files = &[
    ("package.json", include_str!("template/javascript/package.json")),
    ("README.md", include_str!("template/javascript/README.md")),
    (".gitignore", include_str!("template/javascript/gitignore.txt")),
    ("src/mapping.js", include_str!("template/javascript/mapping.js")),
    (
        "src/component.js",
        include_str!("template/javascript/component.js"),
    ),
    (
        "tests/mapping.test.js",
        include_str!("template/javascript/mapping.test.js"),
    ),
];

const PYTHON: Files = &[
    (
        "requirements.txt",
        include_str!("template/python/requirements.txt"),
    ),
    ("README.md", include_str!("template/python/README.md")),
    (".gitignore", include_str!("template/python/gitignore.txt")),
    ("build.sh", include_str!("template/python/build.sh")),
    ("mapping.py", include_str!("template/python/mapping.py")),
    ("component.py", include_str!("template/python/component.py")),
    ("test_mapping.py", include_str!("template/python/test_mapping.py")),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    /// Rust, for the target wasm32-unknown-unknown: the smallest and the fastest.
    Rust,
    /// JavaScript, with componentize-js.
    Js,
    /// Python, with componentize-py.
    Python,
}

impl Language {
    fn files(self) -> Files {
        match self {
            Self::Rust => RUST,
            Self::Js => JAVASCRIPT,
            Self::Python => PYTHON,
        }
    }
}

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Language of the project.
    #[arg(long, value_enum)]
    lang: Language,

    /// Name of the component: lower-case letters, digits and hyphens.
    #[arg(value_name = "NAME")]
    name: String,

    /// Folder of the project, which must be empty or not there. Default: one with the name, in the working directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn new(args: &Args) -> Result<u8, Failed> {
    check_name(&args.name, args.lang).map_err(Failed::Usage)?;
    let dir = args.dir.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    check_folder(&dir).map_err(Failed::Usage)?;
    let files = [args.lang.files(), SHARED].concat();
    for (path, text) in &files {
        let text = text
            .replace("{{name}}", &args.name)
            .replace("{{crate}}", &args.name.replace('-', "_"));
        write(&dir.join(path), &text)?;
    }
    report::line(&format!(
        "{} files written to `{}`; its README.md says how to test and build it",
        files.len(),
        dir.display()
    ));
    Ok(EXIT_OK)
}

/// What the tools of the language, the host's configuration and `metadata` in the contract all take.
fn check_name(name: &str, language: Language) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let well_formed = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.ends_with('-')
        && !name.contains("--")
        && name.len() <= NAME_CHARS;
    if !well_formed {
        return Err(format!(
            "`{name}` cannot be the name of a component: use lower-case letters, digits and single hyphens, beginning with a \
             letter, {NAME_CHARS} characters at most, like `my-mapping`"
        ));
    }
    if language == Language::Rust && TAKEN.split_whitespace().any(|taken| taken == name) {
        return Err(format!(
            "`{name}` has another meaning for Rust or cargo: use another name, like `{name}-mapping`"
        ));
    }
    Ok(())
}

fn check_folder(dir: &Path) -> Result<(), String> {
    let elsewhere = "name another folder with --dir";
    match fs::read_dir(dir) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(format!(
                "the folder `{}` is not empty: {elsewhere}",
                dir.display()
            )),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(format!(
            "`{}` cannot be the project's folder: {error}; {elsewhere}",
            dir.display()
        )),
    }
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    fs::write(path, text).with_context(|| format!("`{}` cannot be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_for_cargo_too() {
        let check_name = |name| check_name(name, Language::Rust);
        for name in ["m", "my-mapping", "ecs2"] {
            assert_eq!(check_name(name), Ok(()), "{name}");
        }
        let long = "a".repeat(NAME_CHARS + 1);
        for name in [
            "", "My", "2ecs", "-a", "a-", "a--b", "a_b", "a/b", "..", "ä", &long,
        ] {
            assert!(
                check_name(name).unwrap_err().contains("lower-case letters"),
                "{name}"
            );
        }
        for name in ["test", "fn", "serde-json", "std", "yield"] {
            assert!(
                check_name(name)
                    .unwrap_err()
                    .contains(&format!("`{name}-mapping`")),
                "{name}"
            );
        }
    }

    #[test]
    fn no_placeholder_is_misspelt() {
        for (path, text) in [RUST, JAVASCRIPT, PYTHON, SHARED].concat() {
            let text = text.replace("{{name}}", "").replace("{{crate}}", "");
            assert!(!text.contains("{{"), "{path}");
        }
    }
}
