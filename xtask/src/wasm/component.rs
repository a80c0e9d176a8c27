//! From a core module to a component of our world, and the proof that it asks for nothing else.

use anyhow::{Context as _, Result, bail, ensure};
use wit_component::{ComponentEncoder, DecodedWasm};

/// Everything that a component may import.
const IMPORT: &str = "o365:transform/host@1.0.0";
/// What it must export.
const EXPORT: &str = "o365:transform/mapper@1.0.0";

/// Wraps a core module that `wit-bindgen` was used in.
pub(crate) fn from_core(core: &[u8]) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(core)
        .and_then(|mut encoder| encoder.encode())
        .context("the core module cannot be made a component: does the guest's `export!` match wit/?")
}

/// Refuses a component that imports more than the host's log, or exports anything but the mapper.
pub(crate) fn check_world(component: &[u8]) -> Result<()> {
    let decoded = wit_component::decode(component).context("the component cannot be read")?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        bail!("a WIT package, not a component");
    };
    let world = resolve.worlds.get(world).context("a component has a world")?;
    let names = |keys: &mut dyn Iterator<Item = String>| keys.collect::<Vec<_>>();
    let imports = names(&mut world.imports.keys().map(|key| resolve.name_world_key(key)));
    let exports = names(&mut world.exports.keys().map(|key| resolve.name_world_key(key)));
    // A component that never logs has no import at all.
    ensure!(
        imports.iter().all(|import| import == IMPORT),
        "the component imports {}; only {IMPORT} is offered",
        imports.join(", ")
    );
    ensure!(
        exports == [EXPORT],
        "the component exports {}; it must be {EXPORT}",
        exports.join(", ")
    );
    Ok(())
}
