//! Getting a secret: the text at hand, a file, or what a program prints.

use std::{fmt, path::PathBuf, process::Stdio, time::Duration};

use o365_core::SensitiveString;
use tokio::process::Command;

use crate::error::{chain, tidy};

/// Where a secret is got from, each time that it is needed.
#[derive(Debug, Clone)]
pub(crate) enum Secret {
    Text(SensitiveString),
    File(PathBuf),
    Command(Program),
}

/// A program that prints a secret.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) command: Vec<String>,
    pub(crate) dir: PathBuf,
    pub(crate) timeout: Duration,
}

/// Arguments may be secrets too.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Program").field(&self.command.first()).finish()
    }
}

impl Secret {
    /// The secret; a newline at the end does not count. The error never repeats what a file holds or a program prints.
    ///
    /// # Cancel safety
    /// Safe: a program that is no longer waited for is killed.
    pub(crate) async fn read(&self) -> Result<SensitiveString, String> {
        match self {
            Self::Text(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let path = path.clone();
                tokio::task::spawn_blocking(move || read_file(&path))
                    .await
                    .map_err(|_| "reading the file failed".to_owned())?
            }
            Self::Command(program) => program.run().await,
        }
    }
}

/// A file that holds a secret and nothing else.
pub(crate) fn read_file(path: &std::path::Path) -> Result<SensitiveString, String> {
    let text = std::fs::read_to_string(path)
        .map(SensitiveString::from)
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    trimmed(&text).ok_or_else(|| format!("{} is empty", path.display()))
}

/// Without the newline at the end; nothing if nothing is left.
fn trimmed(text: &SensitiveString) -> Option<SensitiveString> {
    let text = text.expose();
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    (!text.is_empty()).then(|| text.into())
}

impl Program {
    async fn run(&self) -> Result<SensitiveString, String> {
        let (name, args) = self.command.split_first().ok_or("there is no program")?;
        let run = Command::new(name)
            .args(args)
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(self.timeout, run)
            .await
            .map_err(|_| {
                let limit = o365_core::duration::format(self.timeout);
                format!("the command `{name}` did not end within {limit} and was killed")
            })?
            .map_err(|error| format!("the command `{name}` cannot be run: {}", chain(&error)))?;
        // What it printed is wiped when it goes, also if it failed.
        let printed = String::from_utf8(output.stdout).map(SensitiveString::from);
        if !output.status.success() {
            let stderr = tidy(&String::from_utf8_lossy(&output.stderr));
            return Err(format!(
                "the command `{name}` failed ({}): {stderr}",
                output.status
            ));
        }
        let printed = printed.map_err(|_| format!("the command `{name}` printed no text"))?;
        trimmed(&printed).ok_or_else(|| format!("the command `{name}` printed nothing"))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, timeout: Duration) -> Secret {
        Secret::Command(Program {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            dir: std::env::temp_dir(),
            timeout,
        })
    }

    const LONG: Duration = Duration::from_secs(30);

    #[tokio::test]
    async fn a_rotated_file_is_taken_up_and_an_empty_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let secret = Secret::File(path.clone());
        assert!(secret.read().await.unwrap_err().contains("cannot be read"));
        for (text, expect) in [("one\n", "one"), ("two\r\n", "two"), (" three ", " three ")] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(secret.read().await.unwrap().expose(), expect);
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(secret.read().await.unwrap_err().ends_with("is empty"));
    }

    #[tokio::test]
    async fn a_program_prints_the_secret_and_its_failure_says_why_without_it() {
        let read = async |script| shell(script, LONG).read().await;
        assert_eq!(read("echo hunter2").await.unwrap().expose(), "hunter2");
        let error = read("echo hunter2; echo locked >&2; exit 3").await.unwrap_err();
        assert!(error.contains("locked") && !error.contains("hunter2"), "{error}");
        assert!(read("true").await.unwrap_err().contains("printed nothing"));
        let slow = shell("exec sleep 600", Duration::from_millis(50));
        assert!(slow.read().await.unwrap_err().contains("was killed"));
        assert!(!format!("{:?}", shell("hunter2", LONG)).contains("hunter2"));
    }
}
