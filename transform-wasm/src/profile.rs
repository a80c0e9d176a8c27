//! Which reference behaviour is produced: a profile is a set of named differences.

/// The differences between the reference versions, each with its id in the specification.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one named difference, independent of the others"
)]
pub(crate) struct Profile {
    pub(crate) name: &'static str,
    /// The first failing rule ends the mapping and leaves the record below `o365audit`.
    pub(crate) aborts_on_error: bool,
    /// A missing `event.original` becomes the record's Java map text; it is dropped at the end unless asked for.
    pub(crate) java_text_original: bool,
    /// Identifiers that are numbers become text by conversion late in the mapping, rather than at its start.
    pub(crate) converts_numbers_late: bool,
    /// Hashes, file paths, mail fields, devices, sessions, related hosts: N01, N04-N06, N10-N14, N18-N31.
    pub(crate) maps_newer_fields: bool,
    /// Null, zero-length text and empty containers are removed: N32.
    pub(crate) prunes_empties: bool,
    /// IPv4-mapped addresses are rewritten only if they are the whole address: N15.
    pub(crate) anchors_mapped_addresses: bool,
    /// Extensions may replace values of the reference.
    pub(crate) overrides_reference: bool,
}

/// The newest reference behaviour known, with errors contained.
pub(crate) static CURRENT: Profile = Profile {
    name: "current",
    aborts_on_error: false,
    java_text_original: false,
    converts_numbers_late: false,
    maps_newer_fields: true,
    prunes_empties: true,
    anchors_mapped_addresses: true,
    overrides_reference: true,
};

/// Version 2.5.2 of the reference, error behaviour included.
pub(crate) static ELASTIC_2_5: Profile = Profile {
    name: "elastic-2.5",
    aborts_on_error: true,
    java_text_original: true,
    converts_numbers_late: true,
    maps_newer_fields: false,
    prunes_empties: false,
    anchors_mapped_addresses: false,
    overrides_reference: false,
};

/// All profiles; the first is the default.
pub(crate) static PROFILES: [&Profile; 2] = [&CURRENT, &ELASTIC_2_5];
