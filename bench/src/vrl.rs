//! The same job in VRL: a text in, a text out, with the program of the folder `mapping` between.

use anyhow::{Context as _, Result, anyhow};
use vrl::{
    compiler::{Program, TargetValue, TimeZone, runtime::Runtime},
    diagnostic::Formatter,
    value::{KeyString, ObjectMap, Secrets, Value},
};

/// One program, in this order.
const SOURCES: [&str; 6] = [
    include_str!("mapping/1_envelope.vrl"),
    include_str!("mapping/2_left_over.vrl"),
    include_str!("mapping/3_services.vrl"),
    include_str!("mapping/4_alerts.vrl"),
    include_str!("mapping/5_addresses.vrl"),
    include_str!("mapping/6_document.vrl"),
];

/// The program, compiled.
pub struct Vrl {
    program: Program,
    runtime: Runtime,
}

impl Vrl {
    /// Takes some seconds: VRL follows the types of all fields through the program.
    pub fn compile() -> Result<Self> {
        let source = SOURCES.join("\n");
        let compiled = vrl::compiler::compile(&source, &vrl::stdlib::all())
            .map_err(|problems| anyhow!("{}", Formatter::new(&source, problems)))?;
        Ok(Self {
            program: compiled.program,
            runtime: Runtime::default(),
        })
    }

    /// Maps one event and appends its document to the output. The text is the event's `message`, as Vector's sources have it:
    /// the program parses it, and keeps it as `event.original`.
    pub fn map(&mut self, event: &[u8], out: &mut Vec<u8>) -> Result<()> {
        let message = Value::from(event);
        let mut target = TargetValue {
            value: Value::Object(ObjectMap::from([(KeyString::from("message"), message)])),
            metadata: Value::Object(ObjectMap::new()),
            secrets: Secrets::default(),
        };
        self.runtime.clear();
        self.runtime
            .resolve(&mut target, &self.program, &TimeZone::default())
            .map_err(|end| anyhow!("{end}"))?;
        serde_json::to_writer(out, &target.value).context("a value is always writable as JSON")
    }
}

impl std::fmt::Debug for Vrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vrl")
    }
}
