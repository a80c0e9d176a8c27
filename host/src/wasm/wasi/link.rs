//! Connects what a component imports of WASI: with what the host has, or with a trap that says why it has not.

use semver::Version;
use wasmtime::{
    Engine, bail,
    component::{Component, HasSelf, Linker, ResourceType, Val, types::ComponentItem},
};

use super::{Wasi, bindings::Granted};
use crate::wasm::instance::HostState;

/// Version of the interfaces in `wit/`. Components made for any 0.2 import the same.
const VERSION: &str = "0.2.12";

/// What an interface of WASI is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wasm) enum Part {
    /// Always there: a program asks for it to start.
    Start,
    /// `clocks`.
    Clocks,
    /// `random`.
    Random,
    /// `stderr`.
    Output,
    /// Files, network, or what nobody knows yet: a call is a trap.
    Never,
}

/// What an import is for, if it belongs to a version of WASI that the host has: `wasi:clocks/wall-clock@0.2.3`.
pub(in crate::wasm) fn part(import: &str) -> Option<Part> {
    let (name, version) = import.strip_prefix("wasi:")?.split_once('@')?;
    let version = Version::parse(version).ok()?;
    if (version.major, version.minor) != (0, 2) || !version.pre.is_empty() {
        return None;
    }
    Some(match name {
        "io/error"
        | "io/poll"
        | "io/streams"
        | "cli/environment"
        | "cli/exit"
        | "cli/stdin"
        | "cli/terminal-input"
        | "cli/terminal-output"
        | "cli/terminal-stdin"
        | "cli/terminal-stdout"
        | "cli/terminal-stderr" => Part::Start,
        "cli/stdout" | "cli/stderr" => Part::Output,
        "clocks/monotonic-clock" | "clocks/wall-clock" => Part::Clocks,
        "random/random" | "random/insecure" | "random/insecure-seed" => Part::Random,
        _ => Part::Never,
    })
}

/// Every import of WASI, whatever it is for.
pub(in crate::wasm) fn link(
    linker: &mut Linker<HostState>,
    engine: &Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    // Traps first; what the host has takes their places.
    linker.allow_shadowing(true);
    let mut resources: Vec<ResourceType> = Vec::new();
    for (import, item) in component.component_type().imports(engine) {
        let Some(part) = part(import) else { continue };
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            bail!("`{import}` is no interface");
        };
        let ours = part != Part::Never;
        let (interface, _) = import.split_once('@').unwrap_or((import, ""));
        let name = if ours {
            format!("{interface}@{VERSION}")
        } else {
            import.to_owned()
        };
        let mut linked = linker.instance(&name)?;
        for (export, item) in instance.exports(engine) {
            match item.ty {
                // A type that comes from another interface is connected there.
                ComponentItem::Resource(resource) if !resources.contains(&resource) => {
                    resources.push(resource);
                    if !ours {
                        linked.resource(export, ResourceType::host::<()>(), |_, _| Ok(()))?;
                    }
                }
                ComponentItem::ComponentFunc(_) if interface == "wasi:filesystem/preopens" => {
                    // Asked by every C library at the start.
                    linked.func_new(export, |store, _, _, results| {
                        store.data().wasi.on_time()?;
                        results.fill(Val::List(Vec::new()));
                        Ok(())
                    })?;
                }
                ComponentItem::ComponentFunc(_) => {
                    let function = format!("{interface}#{export}");
                    linked.func_new(export, move |_, _, _, _| {
                        bail!("the component called `{function}`, which the host never grants")
                    })?;
                }
                _ => {}
            }
        }
    }
    Granted::add_to_linker::<_, HasSelf<Wasi>>(linker, |state| &mut state.wasi)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_import_belongs_to_a_part_of_the_second_preview() {
        assert_eq!(part("wasi:clocks/wall-clock@0.2.0"), Some(Part::Clocks));
        assert_eq!(part("wasi:cli/stderr@0.2.99"), Some(Part::Output));
        assert_eq!(part("wasi:sockets/tcp@0.2.9"), Some(Part::Never));
        for other in [
            "wasi:clocks/wall-clock",
            "wasi:clocks/wall-clock@0.3.0",
            "wasi:clocks/wall-clock@0.2.0-rc-2023-11-10",
            "acme:clocks/wall-clock@0.2.0",
        ] {
            assert_eq!(part(other), None, "{other}");
        }
    }
}
