//! The component: a thin shell around the mapping, and the only place that knows the contract in `wit/transform.wit`.

use std::cell::RefCell;

use crate::{DESCRIPTION, Mapper, OUTPUT_SCHEMA, Outcome as Mapped};

mod bindings {
    wit_bindgen::generate!({ path: "wit", world: "transform" });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::o365::transform::mapper::{Guest, Metadata, Outcome};
use bindings::o365::transform::host;

const LOG_ERROR: u8 = 1;

thread_local! {
    /// An instance has one thread and one configuration.
    static MAPPER: RefCell<Mapper> = RefCell::new(Mapper::default());
}

struct Component;

impl Guest for Component {
    fn describe() -> Metadata {
        Metadata {
            name: env!("CARGO_PKG_NAME").to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            description: DESCRIPTION.to_owned(),
            output_schema: OUTPUT_SCHEMA.to_owned(),
        }
    }

    fn configure(options: String) -> Result<(), String> {
        // There is no standard error: without this a panic would leave no text behind.
        std::panic::set_hook(Box::new(|panic| host::log(LOG_ERROR, &panic.to_string())));
        MAPPER.replace(Mapper::configure(&options)?);
        Ok(())
    }

    fn transform_batch(_context: String, events: Vec<Vec<u8>>) -> Vec<Outcome> {
        MAPPER.with_borrow(|mapper| {
            events
                .iter()
                .map(|event| match mapper.map(event) {
                    Mapped::Emit(document) => Outcome::Emit(document),
                    Mapped::Drop => Outcome::Drop,
                    Mapped::Fail(reason) => Outcome::Fail(reason),
                })
                .collect()
        })
    }
}
