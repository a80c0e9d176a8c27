//! Debian's packages without installing them: apt downloads them and checks their signatures, and they are unpacked into a
//! folder of our own. Nothing asks for root.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::workspace;

/// The packages that `choose` names, unpacked in `folder`, unless they are there from an earlier time.
pub(super) fn unpacked(folder: &Path, choose: impl Fn(&Apt) -> Result<Vec<String>>) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let partial = folder.with_extension("partial");
    download_and_unpack(&partial, choose)?;
    std::fs::rename(&partial, folder).with_context(|| format!("{} cannot be renamed", partial.display()))
}

fn download_and_unpack(partial: &Path, choose: impl Fn(&Apt) -> Result<Vec<String>>) -> Result<()> {
    for tool in ["apt-get", "apt-cache", "dpkg-query", "dpkg-deb", "tar"] {
        ensure!(is_on_path(tool), "this is not Debian: there is no `{tool}`");
    }
    if partial.exists() {
        std::fs::remove_dir_all(partial)
            .with_context(|| format!("{} cannot be removed", partial.display()))?;
    }
    let archives = partial.join("archives");
    std::fs::create_dir_all(&archives)
        .with_context(|| format!("{} cannot be created", archives.display()))?;

    let mut apt = Apt { options: Vec::new() };
    if let Err(stale) = fetch(&apt, &choose, &archives) {
        println!("apt's lists do not do ({stale:#}): updating a copy of them");
        apt = Apt::updated(&partial.join("apt"))?;
        fetch(&apt, &choose, &archives)?;
    }
    for archive in entries(&archives)? {
        println!(
            "unpacking {}",
            archive.file_name().unwrap_or_default().to_string_lossy()
        );
        unpack(&archive, partial)?;
    }
    std::fs::remove_dir_all(&archives).context("the downloaded packages cannot be removed")?;
    Ok(())
}

fn fetch(apt: &Apt, choose: impl Fn(&Apt) -> Result<Vec<String>>, archives: &Path) -> Result<()> {
    let packages = choose(apt)?;
    println!("downloading from Debian: {}", packages.join(" "));
    let mut download = apt.command("apt-get");
    download
        .args(["-qq", "download"])
        .args(&packages)
        .current_dir(archives);
    workspace::stdout_of(&mut download).map(drop)
}

/// Only what cargo reads: the whole source package is ten times as large.
fn unpack(archive: &Path, root: &Path) -> Result<()> {
    let mut reader = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(archive)
        .stdout(Stdio::piped())
        .spawn()
        .context("`dpkg-deb` cannot be started")?;
    let stream = reader.stdout.take().context("`dpkg-deb` has no output")?;
    let mut writer = Command::new("tar");
    writer
        .args(["-x", "--anchored", "--wildcards", "--no-wildcards-match-slash"])
        .args([
            "--exclude=./usr/share",
            "--exclude=./usr/src/*/compiler",
            "--exclude=./usr/src/*/src",
        ])
        .arg("-C")
        .arg(root)
        .stdin(stream);
    workspace::run(&mut writer)?;
    let status = reader.wait().context("`dpkg-deb` is lost")?;
    ensure!(
        status.success(),
        "{} cannot be unpacked ({status})",
        archive.display()
    );
    Ok(())
}

/// apt, with the system's lists or with our own.
#[derive(Debug)]
pub(super) struct Apt {
    options: Vec<OsString>,
}

impl Apt {
    /// Lists of today in a folder of ours, for which nobody has to be root.
    fn updated(folder: &Path) -> Result<Self> {
        let (lists, cache) = (folder.join("lists"), folder.join("cache"));
        for part in [&lists, &cache] {
            std::fs::create_dir_all(part.join("partial"))
                .with_context(|| format!("{} cannot be created", part.display()))?;
        }
        let option = |name: &str, value: &Path| {
            let mut option = OsString::from(format!("-o{name}="));
            option.push(value);
            option
        };
        let apt = Self {
            options: vec![
                option("Dir::State::Lists", &lists),
                option("Dir::Cache", &cache),
                // The folder of a person is not for apt's own user.
                OsString::from("-oAPT::Sandbox::User=root"),
            ],
        };
        workspace::stdout_of(apt.command("apt-get").args(["-qq", "update"]))?;
        Ok(apt)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.args(&self.options).env("LC_ALL", "C");
        command
    }

    /// The version that would be installed.
    pub(super) fn candidate(&self, package: &str) -> Result<Option<String>> {
        let policy = workspace::stdout_of(self.command("apt-cache").args(["policy", package]))?;
        let version = policy
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "));
        Ok(version.filter(|version| *version != "(none)").map(str::to_owned))
    }

    /// The names that a package depends on; of alternatives the first.
    pub(super) fn dependencies(&self, package: &str) -> Result<Vec<String>> {
        let shown =
            workspace::stdout_of(
                self.command("apt-cache")
                    .args(["show", "--no-all-versions", package]),
            )?;
        let line = shown
            .lines()
            .find_map(|line| line.strip_prefix("Depends: "))
            .unwrap_or_default();
        Ok(names(line).map(str::to_owned).collect())
    }
}

/// `libc6 (>= 2.34), gcc | clang` as `libc6`, `gcc`.
fn names(depends: &str) -> impl Iterator<Item = &str> {
    depends
        .split(',')
        .filter_map(|one| one.split(['(', '|', ':', ' ']).find(|word| !word.is_empty()))
}

pub(super) fn is_installed(package: &str) -> bool {
    workspace::stdout_of(Command::new("dpkg-query").args(["-W", "-f", "${db:Status-Status}\n", package]))
        .is_ok_and(|status| status.lines().any(|line| line == "installed"))
}

fn is_on_path(tool: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()))
}

pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut paths = read
        .map(|entry| Ok(entry?.path()))
        .collect::<std::io::Result<Vec<_>>>()
        .with_context(|| format!("{} cannot be read", folder.display()))?;
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_names_of_dependencies() {
        let line = "libc6 (>= 2.34), gcc | clang, libllvm22 (= 1:22.1.8-1~deb12u1), python3:any";
        assert_eq!(
            names(line).collect::<Vec<_>>(),
            ["libc6", "gcc", "libllvm22", "python3"]
        );
        assert_eq!(names("").count(), 0);
    }
}
