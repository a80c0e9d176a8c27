//! The component: a thin shell around [`Mapper`], the only place that knows the transform contract.

use std::cell::RefCell;

use crate::{Context, DESCRIPTION, Mapper, NAME, OUTPUT_SCHEMA, Outcome as Mapped, VERSION};

#[expect(
    unsafe_code,
    clippy::all,
    clippy::pedantic,
    reason = "generated from wit/transform.wit"
)]
mod bindings {
    wit_bindgen::generate!({ path: "../wit", world: "transform" });

    export!(Component with_types_in self);

    use super::Component;
}

use bindings::exports::o365::transform::mapper::{Guest, Metadata, Outcome};
use bindings::o365::transform::host;

const LOG_ERROR: u8 = 1;

thread_local! {
    /// The one mapper of this instance: components have a single thread.
    static MAPPER: RefCell<Mapper> = RefCell::new(Mapper::default());
}

struct Component;

impl Guest for Component {
    fn describe() -> Metadata {
        Metadata {
            name: NAME.to_owned(),
            version: VERSION.to_owned(),
            description: DESCRIPTION.to_owned(),
            output_schema: OUTPUT_SCHEMA.to_owned(),
        }
    }

    fn configure(options: String) -> Result<(), String> {
        // Without a standard error stream a panic would leave no text behind.
        std::panic::set_hook(Box::new(|panic| host::log(LOG_ERROR, &panic.to_string())));
        let mapper = Mapper::configure(&options).map_err(|error| error.to_string())?;
        MAPPER.replace(mapper);
        Ok(())
    }

    fn transform_batch(context: String, events: Vec<Vec<u8>>) -> Vec<Outcome> {
        #[cfg(o365_counted)]
        if events.iter().any(|event| event == crate::counters::REQUEST) {
            return vec![Outcome::Emit(crate::counters::raw_profile())];
        }
        map(&Context::from_json(&context), &events)
    }
}

fn map(context: &Context, events: &[Vec<u8>]) -> Vec<Outcome> {
    MAPPER.with_borrow(|mapper| {
        events
            .iter()
            .map(|event| {
                let mut document = Vec::with_capacity(event.len() * 3 + 1024);
                match mapper.map(context, event, &mut document) {
                    Mapped::Emit => Outcome::Emit(document),
                    Mapped::Drop => Outcome::Drop,
                    Mapped::Fail(reason) => Outcome::Fail(reason),
                }
            })
            .collect()
    })
}
