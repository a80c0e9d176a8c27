//! Which version of `o365:transform` a component implements, and what keeps this host from running it, in words.
//!
//! The same answer stands behind `validate`, a swap and `wasm inspect`.

use std::fmt;

use semver::Version;
use serde::Serialize;
use wasmtime::{
    Engine,
    component::{
        Component,
        types::{ComponentFunc, ComponentInstance, ComponentItem},
    },
};

use super::{
    bindings::exports::o365::transform::mapper::{Metadata, Outcome},
    wasi::{self, Part, WasiGrants},
};

/// The newest version of the package that this host knows. It runs components of this minor version and of every older one
/// with the same major version.
pub(super) const HOST_VERSION: Version = Version::new(1, 0, 0);
/// The world of [`HOST_VERSION`].
pub(super) const WORLD: &str = "o365:transform/transform@1.0.0";

const PACKAGE: &str = "o365:transform";
const MAPPER: &str = "mapper";
const HOST: &str = "host";
const FUNCTIONS: [&str; 3] = ["describe", "configure", "transform-batch"];
/// Names that a message lists, before it only counts.
const LISTED: usize = 3;

/// What a component asks for and offers.
#[derive(Debug)]
pub(super) struct World {
    /// Of the package; nothing if the component exports no mapper of it that names a version.
    pub(super) version: Option<Version>,
    pub(super) imports: Vec<Import>,
    /// What it has for WASI; nothing if it imports none.
    pub(super) wasi: Option<WasiUse>,
    pub(super) exports: Vec<Export>,
    /// Why this host does not run it; none if it does.
    pub(super) obstacles: Vec<Obstacle>,
}

/// What a component asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Import {
    /// As in the component, such as `wasi:clocks/wall-clock@0.2.0`.
    pub name: String,
    /// Whether this host has it.
    pub offered: bool,
    /// How it is less than its name says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<&'static str>,
}

/// What a component can use of WASI, going by its imports: toolchains import much that no program calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct WasiUse {
    /// All that could be granted to it.
    pub grants: WasiGrants,
    /// Whether it could use files, network or anything else that is never granted.
    pub never: bool,
}

impl WasiUse {
    fn of(imports: &[Import]) -> Option<Self> {
        let parts: Vec<_> = imports
            .iter()
            .filter_map(|import| wasi::part(&import.name))
            .collect();
        let grants = WasiGrants {
            clocks: parts.contains(&Part::Clocks),
            random: parts.contains(&Part::Random),
            stderr: parts.contains(&Part::Output),
        };
        let never = parts.contains(&Part::Never);
        (!parts.is_empty()).then_some(Self { grants, never })
    }

    /// What to do for it to run.
    fn advice(self) -> String {
        let mut advice = vec!["give the transform `wasi: {}`, or the command `--wasi`".to_owned()];
        if self.grants != WasiGrants::default() {
            advice.push(format!(
                ": clocks stand still then, random numbers are the same at every start, and output is discarded; `wasi: {}` \
                 grants what there is for this component",
                self.grants
            ));
        }
        if self.never {
            advice.push("; files and network are never granted, and fail when they are used".to_owned());
        }
        advice.push(
            ". Or build it without WASI (docs/reference/wasm.md): for Rust, for the target wasm32-unknown-unknown".to_owned(),
        );
        advice.concat()
    }
}

/// The grants with which it runs, in one line.
impl fmt::Display for WasiUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("runs with `wasi: {}`")?;
        let most = self.grants.names();
        if !most.is_empty() {
            write!(f, ", can be granted {}", most.join(", "))?;
        }
        if self.never {
            f.write_str("; never files or network")?;
        }
        Ok(())
    }
}

/// What a component offers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Export {
    /// As in the component.
    pub name: String,
    /// Whether this host calls it.
    pub called: bool,
}

/// One reason for which a component does not run here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// Made for a later version than this host's.
    Newer(Version),
    /// Made for an earlier major version.
    Older(Version),
    /// Made for a version that was never final.
    Draft(Version),
    /// Exports our interface without a version.
    NoVersion,
    /// Exports an interface with this name, of a package that is not ours.
    OtherPackage(String),
    /// Exports nothing that the host could call.
    NoMapper,
    /// The mapper is no interface, or lacks functions.
    Lacks(String, Vec<&'static str>),
    /// A function takes or gives something else.
    OtherType(String, &'static str),
    /// Wants parts of WASI, and gets none.
    Wasi(Vec<String>, WasiUse),
    /// Wants a version of WASI that this host does not have.
    OtherWasi(Vec<String>),
    /// Wants something else.
    Foreign(Vec<String>),
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = format!("{}.{}", HOST_VERSION.major, HOST_VERSION.minor);
        match self {
            Self::Newer(version) => write!(
                f,
                "it implements {PACKAGE} {version}, which is newer than the {runs} of this host"
            ),
            Self::Older(version) => write!(
                f,
                "it implements {PACKAGE} {version}, which is older than all that this host runs ({}.0 to {runs})",
                HOST_VERSION.major
            ),
            Self::Draft(version) => write!(
                f,
                "it implements {PACKAGE} {version}, a draft; this host runs final versions"
            ),
            Self::NoVersion => write!(
                f,
                "it exports `{PACKAGE}/{MAPPER}` without a version; this host calls {runs} of it"
            ),
            Self::OtherPackage(name) => write!(
                f,
                "it does not export `{PACKAGE}/{MAPPER}@{HOST_VERSION}` but `{name}`, which belongs to another package"
            ),
            Self::NoMapper => write!(f, "it does not export `{PACKAGE}/{MAPPER}@{HOST_VERSION}`"),
            Self::Lacks(name, functions) => write!(f, "`{name}` lacks {}", list(functions)),
            Self::OtherType(name, function) => write!(
                f,
                "`{function}` of `{name}` has other parameters or another result than it must have"
            ),
            Self::Wasi(names, _) => write!(
                f,
                "it imports {}, parts of WASI that are not granted to it",
                list(names)
            ),
            Self::OtherWasi(names) => write!(
                f,
                "it imports {}, which the host does not offer: it has parts of WASI 0.2",
                list(names)
            ),
            Self::Foreign(names) => write!(f, "it imports {}, which the host does not offer", list(names)),
        }
    }
}

impl Obstacle {
    /// What to do about it.
    pub(super) fn hint(&self) -> String {
        let hint = match self {
            Self::Newer(_) => {
                "update o365-host, or build the component against the wit/transform.wit of this version"
            }
            Self::Older(_) | Self::Draft(_) | Self::NoVersion | Self::OtherPackage(_) | Self::NoMapper => {
                "build it against wit/transform.wit, whose world `transform` is what the host runs"
            }
            Self::Lacks(..) | Self::OtherType(..) => {
                "generate the bindings from wit/transform.wit as it is, and implement all of its `mapper`"
            }
            Self::Wasi(_, uses) => {
                return uses.advice();
            }
            Self::OtherWasi(_) => "build it for WASI 0.2, or without WASI (docs/reference/wasm.md)",
            Self::Foreign(_) => {
                "leave out what needs it: a component gets the log of wit/transform.wit and nothing else"
            }
        };
        hint.to_owned()
    }
}

/// `a`, `b`, `c` and 4 more.
fn list(names: &[impl fmt::Display]) -> String {
    let listed: Vec<_> = names
        .iter()
        .take(LISTED)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match names.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    listed.join(", ") + &more
}

/// `package/interface@version`.
#[derive(Debug)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: Option<Version>,
}

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = match rest.split_once('@') {
            Some((interface, version)) => (interface, Some(Version::parse(version).ok()?)),
            None => (rest, None),
        };
        Some(Self {
            package,
            interface,
            version,
        })
    }

    fn is(&self, interface: &str) -> bool {
        self.package == PACKAGE && self.interface == interface
    }
}

/// Nothing if a host of version `host` runs components of `version`.
fn obstacle(version: &Version, host: &Version) -> Option<Obstacle> {
    if version == host {
        None
    } else if !version.pre.is_empty() {
        Some(Obstacle::Draft(version.clone()))
    } else if version.major < host.major {
        Some(Obstacle::Older(version.clone()))
    } else if (version.major, version.minor) > (host.major, host.minor) {
        Some(Obstacle::Newer(version.clone()))
    } else {
        // Patch versions change nothing but words.
        None
    }
}

impl World {
    /// Reads it off the component's type. `granted` is what it would get of WASI.
    pub(super) fn of(engine: &Engine, component: &Component, granted: Option<WasiGrants>) -> Self {
        let component_type = component.component_type();
        let mut mapper = None;
        let mut lookalike = None;
        let mut exports = Vec::new();
        for (export, item) in component_type.exports(engine) {
            exports.push(Export {
                name: export.to_owned(),
                called: false,
            });
            let Some(name) = Name::parse(export) else { continue };
            if name.is(MAPPER) {
                // The newest that runs, or else the newest.
                let rank = |version: &Option<Version>| {
                    let runs = version
                        .as_ref()
                        .is_some_and(|version| obstacle(version, &HOST_VERSION).is_none());
                    (runs, version.clone())
                };
                let better = mapper
                    .as_ref()
                    .is_none_or(|(_, version, _)| rank(&name.version) > rank(version));
                if better {
                    mapper = Some((export.to_owned(), name.version, item.ty));
                }
            } else if name.interface == MAPPER {
                lookalike = Some(export.to_owned());
            }
        }
        let mut obstacles = Vec::new();
        match &mapper {
            Some((name, Some(version), item)) => {
                if let Some(obstacle) = obstacle(version, &HOST_VERSION) {
                    obstacles.push(obstacle);
                } else {
                    for export in &mut exports {
                        export.called = export.name == *name;
                    }
                    obstacles.extend(check_functions(engine, component, name, item));
                }
            }
            Some((_, None, _)) => obstacles.push(Obstacle::NoVersion),
            None => obstacles.push(lookalike.map_or(Obstacle::NoMapper, Obstacle::OtherPackage)),
        }
        let version = mapper.and_then(|(_, version, _)| version);
        let imports: Vec<_> = component_type
            .imports(engine)
            .map(|(import, _)| self::import(import, granted))
            .collect();
        let wasi = WasiUse::of(&imports);
        obstacles.extend(check_imports(&imports, wasi, version.as_ref()));
        Self {
            version,
            imports,
            wasi,
            exports,
            obstacles,
        }
    }
}

fn import(name: &str, granted: Option<WasiGrants>) -> Import {
    let offered = match (wasi::part(name), granted) {
        (Some(part), Some(grants)) => Some(short_of(part, grants)),
        (Some(_), None) => None,
        (None, _) => is_host(name).then_some(None),
    };
    Import {
        name: name.to_owned(),
        offered: offered.is_some(),
        note: offered.flatten(),
    }
}

/// How a part of WASI is less than its name says.
fn short_of(part: Part, grants: WasiGrants) -> Option<&'static str> {
    match part {
        Part::Clocks if !grants.clocks => Some("stands still"),
        Part::Random if !grants.random => Some("the same at every start"),
        Part::Output if !grants.stderr => Some("discarded"),
        Part::Never => Some("fails when used"),
        Part::Start | Part::Clocks | Part::Random | Part::Output => None,
    }
}

fn is_host(import: &str) -> bool {
    Name::parse(import).is_some_and(|name| {
        let version = name.version.as_ref();
        name.is(HOST) && version.is_some_and(|version| obstacle(version, &HOST_VERSION).is_none())
    })
}

fn check_imports(imports: &[Import], uses: Option<WasiUse>, version: Option<&Version>) -> Vec<Obstacle> {
    let other_version = version.is_some_and(|version| obstacle(version, &HOST_VERSION).is_some());
    let (mut wasi, mut other_wasi, mut foreign) = (Vec::new(), Vec::new(), Vec::new());
    for import in imports.iter().filter(|import| !import.offered) {
        let name = import.name.clone();
        if wasi::part(&name).is_some() {
            wasi.push(name);
        } else if name.starts_with("wasi:") {
            other_wasi.push(name);
        } else if !(other_version && Name::parse(&name).is_some_and(|name| name.package == PACKAGE)) {
            // What another version of our package imports from it says nothing new.
            foreign.push(name);
        }
    }
    [
        (!wasi.is_empty()).then(|| Obstacle::Wasi(wasi, uses.unwrap_or_default())),
        (!other_wasi.is_empty()).then_some(Obstacle::OtherWasi(other_wasi)),
        (!foreign.is_empty()).then_some(Obstacle::Foreign(foreign)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn check_functions(
    engine: &Engine,
    component: &Component,
    name: &str,
    item: &ComponentItem,
) -> Vec<Obstacle> {
    let ComponentItem::ComponentInstance(instance) = item else {
        return vec![Obstacle::Lacks(name.to_owned(), FUNCTIONS.to_vec())];
    };
    let mut lacks = Vec::new();
    let mut obstacles = Vec::new();
    for function in FUNCTIONS {
        match find(engine, instance, function) {
            None => lacks.push(function),
            Some(found) if !has_our_type(component, function, &found) => {
                obstacles.push(Obstacle::OtherType(name.to_owned(), function));
            }
            Some(_) => {}
        }
    }
    if !lacks.is_empty() {
        obstacles.insert(0, Obstacle::Lacks(name.to_owned(), lacks));
    }
    obstacles
}

fn find(engine: &Engine, instance: &ComponentInstance, function: &str) -> Option<ComponentFunc> {
    match instance.get_export(engine, function)?.ty {
        ComponentItem::ComponentFunc(found) => Some(found),
        _ => None,
    }
}

/// The check that the engine would make when it starts an instance, made early and for all functions.
fn has_our_type(component: &Component, function: &str, found: &ComponentFunc) -> bool {
    let component_type = component.component_type();
    let types = component_type.instance_type();
    let fits = match function {
        "describe" => found.typecheck::<(), (Metadata,)>(&types),
        "configure" => found.typecheck::<(&str,), (Result<(), String>,)>(&types),
        _ => found.typecheck::<(&str, &[&[u8]]), (Vec<Outcome>,)>(&types),
    };
    fits.is_ok() && !found.async_()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(host: &Version, version: &str) -> Option<String> {
        obstacle(&Version::parse(version).unwrap(), host).map(|obstacle| format!("{obstacle:?}"))
    }

    #[test]
    fn a_host_runs_every_older_minor_version_of_its_major_version() {
        let host = Version::new(1, 2, 0);
        for version in ["1.0.0", "1.0.7", "1.1.0", "1.2.0", "1.2.9"] {
            assert_eq!(on(&host, version), None, "{version}");
        }
        for (version, kind) in [
            ("1.3.0", "Newer"),
            ("2.0.0", "Newer"),
            ("0.9.0", "Older"),
            ("1.1.0-rc.1", "Draft"),
        ] {
            let obstacle = on(&host, version).unwrap();
            assert!(obstacle.starts_with(kind), "{version}: {obstacle}");
        }
    }

    #[test]
    fn a_name_has_a_package_an_interface_and_perhaps_a_version() {
        let name = Name::parse("o365:transform/mapper@1.1.0").unwrap();
        assert!(name.is(MAPPER));
        assert_eq!(name.version, Some(Version::new(1, 1, 0)));
        assert_eq!(Name::parse("o365:transform/mapper").unwrap().version, None);
        assert!(!Name::parse("acme:transform/mapper@1.0.0").unwrap().is(MAPPER));
        assert!(Name::parse("run").is_none());
        assert!(Name::parse("o365:transform/mapper@one").is_none());
    }

    #[test]
    fn a_long_list_is_cut() {
        assert_eq!(list(&["a", "b"]), "`a`, `b`");
        assert_eq!(list(&["a", "b", "c", "d", "e"]), "`a`, `b`, `c` and 2 more");
    }
}
