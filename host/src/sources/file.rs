//! `type: file`: replays files with one event a line, compressed or not.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use flate2::read::MultiGzDecoder;
use o365_core::{
    ComponentError, Source, SourceContext,
    config::{BuildError, ComponentContext, Description, Problem, SourceConfig},
};
use serde::Deserialize;

use super::lines::send_lines;

/// Options of a `file` source. Files are read once, in order, from their beginning; then the source ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileConfig {
    /// File or files; a relative path starts at the configuration file. A name that ends in `.gz` is decompressed.
    pub path: Paths,
}

/// One path or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Paths {
    /// `path: a.ndjson`
    One(String),
    /// `path: [a.ndjson, b.ndjson.gz]`
    Many(Vec<String>),
}

impl FileConfig {
    fn paths(&self) -> Vec<(String, &String)> {
        match &self.path {
            Paths::One(path) => vec![("path".to_owned(), path)],
            Paths::Many(paths) => paths
                .iter()
                .zip(0..)
                .map(|(path, index)| (format!("path[{index}]"), path))
                .collect(),
        }
    }
}

#[async_trait]
impl SourceConfig for FileConfig {
    fn describe(&self) -> Description {
        Description {
            component_type: "file",
            summary: "replays files with one event a line".to_owned(),
            outputs: Vec::new(),
        }
    }

    fn validate(&self, cx: &ComponentContext) -> Vec<Problem> {
        self.problems(&cx.config_dir)
    }

    async fn build(&self, cx: SourceContext) -> Result<Source, BuildError> {
        let problems = self.problems(&cx.config_dir);
        if !problems.is_empty() {
            return Err(problems.into());
        }
        let paths: Vec<PathBuf> = self
            .paths()
            .into_iter()
            .map(|(_, path)| cx.config_dir.join(path))
            .collect();
        Ok(Box::pin(async move { replay(&cx, &paths).await }))
    }
}

impl FileConfig {
    /// What is wrong with the paths.
    fn problems(&self, config_dir: &Path) -> Vec<Problem> {
        let paths = self.paths();
        if paths.is_empty() {
            return vec![Problem::new("path", "names no file").hint("give the path of an NDJSON file")];
        }
        let unreadable = paths.into_iter().filter_map(|(field, path)| {
            let path = config_dir.join(path);
            let error = open(&path).err()?;
            Some(
                Problem::new(field, format!("cannot read `{}`: {error}", path.display()))
                    .hint("a relative path starts at the configuration file"),
            )
        });
        unreadable.collect()
    }
}

async fn replay(cx: &SourceContext, paths: &[PathBuf]) -> Result<(), ComponentError> {
    for path in paths {
        let reader = open(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
        send_lines(cx, &path.display().to_string(), reader).await?;
    }
    Ok(())
}

fn open(path: &PathBuf) -> std::io::Result<Box<dyn Read + Send>> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() {
        return Err(std::io::Error::other("it is a directory"));
    }
    Ok(if path.extension().is_some_and(|extension| extension == "gz") {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

#[cfg(test)]
mod tests {
    use std::{io::Write, path::Path, sync::Arc};

    use o365_core::{RunMode, ShutdownSignal, SourceSender, SystemClock, testing::source_contract};

    use super::*;

    fn context(dir: &Path, out: SourceSender) -> SourceContext {
        SourceContext {
            key: "replay".into(),
            out,
            shutdown: ShutdownSignal::never(),
            data_dir: dir.to_owned(),
            config_dir: dir.to_owned(),
            clock: Arc::new(SystemClock),
            mode: RunMode::Continuous,
        }
    }

    #[tokio::test]
    async fn replays_plain_and_compressed_files() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.ndjson"), "{\"a\":1}\n{\"a\":2}\n").unwrap();
        let mut gz = flate2::write::GzEncoder::new(
            File::create(dir.path().join("b.gz")).unwrap(),
            flate2::Compression::fast(),
        );
        gz.write_all(b"{\"a\":3}\n").unwrap();
        gz.finish().unwrap();
        let config = FileConfig {
            path: Paths::Many(vec!["a.ndjson".into(), "b.gz".into()]),
        };
        let collected = o365_core::testing::collect_source(
            |out| async { config.build(context(dir.path(), out)).await.unwrap() },
            |_| o365_core::EventStatus::Delivered,
        )
        .await;
        collected.result.unwrap();
        assert_eq!(collected.documents, ["{\"a\":1}", "{\"a\":2}", "{\"a\":3}"]);
    }

    #[tokio::test]
    async fn keeps_the_contract_of_sources() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (0..300).map(|number| format!("{{\"a\":{number}}}\n")).collect();
        std::fs::write(dir.path().join("a.ndjson"), text).unwrap();
        let config = FileConfig {
            path: Paths::One("a.ndjson".into()),
        };
        source_contract(
            |out| async { config.build(context(dir.path(), out)).await.unwrap() },
            300,
            false,
        )
        .await;
    }
}
