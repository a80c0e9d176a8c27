//! Spans of what happens to batches ([`o365_core::TRACE_TARGET`]): one for each batch in each component.
//!
//! A batch of one blob belongs to the trace of the blob. A batch that was merged of several has a trace of its own, with a link
//! to each of them: none of them is more its parent than the others. What belongs to nothing that is traced is not traced
//! either.

use o365_core::{BatchNotifier, ComponentKey, EventBatch, TRACE_TARGET};
use tracing::{Level, Span, field::Empty, info_span, span_enabled};

/// The work of a transform on a batch.
pub(super) fn transform(key: &ComponentKey, batch: &EventBatch) -> Span {
    span("transform", key, batch)
}

/// Says how many events the transform gave up on.
pub(super) fn transformed(span: &Span, failed: usize) {
    if failed > 0 {
        span.record("o365.failed_events", failed);
        span.record("otel.status_code", "ERROR");
    }
}

/// From the moment that a sink takes a batch until the last of its events has ended: the span hangs on the events.
pub(super) fn deliver(key: &ComponentKey, mut batch: EventBatch) -> EventBatch {
    let span = span("deliver", key, &batch);
    if !span.is_none() {
        let notifier = BatchNotifier::traced(span);
        for event in &mut batch {
            // First, so that the span has ended when the source hears of the event and goes on.
            let finalizers = event.metadata_mut().finalizers_mut();
            let others = std::mem::replace(finalizers, notifier.finalizer().into());
            finalizers.merge(others);
        }
    }
    batch
}

fn span(what: &str, key: &ComponentKey, batch: &EventBatch) -> Span {
    // Before looking at the events.
    if !span_enabled!(target: TRACE_TARGET, Level::INFO) {
        return Span::none();
    }
    let works = batch.spans();
    let parent = match works.as_slice() {
        [] => return Span::none(),
        [only] => only.id(),
        _ => None,
    };
    let span = info_span!(
        target: TRACE_TARGET,
        parent: parent,
        "batch",
        otel.name = format!("{what} {key}"),
        "o365.component_id" = key.as_str(),
        "o365.events" = batch.len(),
        "o365.failed_events" = Empty,
        "o365.status" = Empty,
        otel.status_code = Empty,
    );
    if works.len() > 1 {
        for work in &works {
            span.follows_from(work);
        }
    }
    span
}

#[cfg(test)]
mod tests {
    use std::{
        fmt::Debug,
        sync::{Arc, Mutex, Once},
    };

    use o365_core::{EventMetadata, EventStatus, LogEvent};
    use tracing::{
        Subscriber,
        field::{Field, Visit},
        span::{Attributes, Id, Record},
        subscriber::with_default,
    };
    use tracing_subscriber::{Layer, layer::Context, layer::SubscriberExt, registry};

    use super::*;

    /// What happens to spans, one line each.
    #[derive(Clone, Default)]
    struct Journal(Arc<Mutex<Vec<String>>>);

    impl Journal {
        fn note(&self, line: String) {
            self.0.lock().unwrap().push(line);
        }

        fn lines(&self) -> Vec<String> {
            self.0.lock().unwrap().clone()
        }
    }

    #[derive(Default)]
    struct Fields(Vec<String>);

    impl Visit for Fields {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            self.0.push(format!("{field}={value:?}"));
        }
    }

    impl<S: Subscriber> Layer<S> for Journal {
        fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: Context<'_, S>) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            let parent = attributes.parent().map(Id::into_u64);
            self.note(format!(
                "{} below {parent:?}: {}",
                id.into_u64(),
                fields.0.join(" ")
            ));
        }
        fn on_record(&self, id: &Id, values: &Record<'_>, _: Context<'_, S>) {
            let mut fields = Fields::default();
            values.record(&mut fields);
            self.note(format!("{} has {}", id.into_u64(), fields.0.join(" ")));
        }
        fn on_follows_from(&self, id: &Id, follows: &Id, _: Context<'_, S>) {
            self.note(format!("{} links {}", id.into_u64(), follows.into_u64()));
        }
        fn on_close(&self, id: Id, _: Context<'_, S>) {
            self.note(format!("{} ends", id.into_u64()));
        }
    }

    fn work() -> (BatchNotifier, u64) {
        let span = info_span!(target: TRACE_TARGET, parent: None, "blob");
        let id = span.id().unwrap().into_u64();
        (BatchNotifier::traced(span), id)
    }

    fn batch(works: &[&BatchNotifier]) -> EventBatch {
        let event = |work: &&BatchNotifier| {
            LogEvent::new("{}", EventMetadata::new(Arc::default(), 0, work.finalizer()))
        };
        works.iter().map(event).collect()
    }

    fn traced(test: impl FnOnce(&Journal)) {
        // Other tests reach the same spans on threads without a subscriber, and which spans are wanted is remembered for all
        // threads: somebody always wants them here.
        static WANTED: Once = Once::new();
        WANTED.call_once(|| tracing::subscriber::set_global_default(registry()).unwrap());
        let journal = Journal::default();
        with_default(registry().with(journal.clone()), || test(&journal));
    }

    #[test]
    fn a_batch_of_one_work_is_below_it() {
        traced(|journal| {
            let (one, id) = work();
            let span = transform(&"ecs".into(), &batch(&[&one, &one]));
            let own = span.id().unwrap().into_u64();
            transformed(&span, 1);
            let lines = journal.lines();
            let begun = format!(
                "{own} below Some({id}): otel.name=\"transform ecs\" o365.component_id=\"ecs\" o365.events=2"
            );
            assert!(lines.contains(&begun), "{lines:#?}");
            assert!(
                lines.contains(&format!("{own} has o365.failed_events=1")),
                "{lines:#?}"
            );
        });
    }

    #[test]
    fn a_merged_batch_has_links_and_no_parent() {
        traced(|journal| {
            let ((one, first), (two, second)) = (work(), work());
            let span = transform(&"merge".into(), &batch(&[&one, &two, &one]));
            let own = span.id().unwrap().into_u64();
            let lines = journal.lines();
            assert!(
                lines
                    .iter()
                    .any(|line| line.starts_with(&format!("{own} below None"))),
                "{lines:#?}"
            );
            for work in [first, second] {
                assert!(lines.contains(&format!("{own} links {work}")), "{lines:#?}");
            }
        });
    }

    #[test]
    fn a_delivery_ends_with_its_last_event_and_knows_how() {
        traced(|journal| {
            let (one, id) = work();
            let mut events = deliver(&"out".into(), batch(&[&one, &one])).into_iter();
            drop(one);
            let lines = journal.lines();
            let begun = lines.iter().find_map(|line| {
                line.split_once(" below ")
                    .filter(|(_, rest)| rest.contains("deliver out"))
            });
            let own: u64 = begun.unwrap().0.parse().unwrap();
            let ends = |of: u64| journal.lines().contains(&format!("{of} ends"));
            events.next().unwrap().finish(EventStatus::Delivered);
            assert!(!ends(own), "{:#?}", journal.lines());
            events.next().unwrap().finish(EventStatus::Errored);
            assert!(ends(own) && ends(id), "{:#?}", journal.lines());
            let lines = journal.lines();
            assert!(
                lines.contains(&format!("{own} has o365.status=\"errored\"")),
                "{lines:#?}"
            );
        });
    }

    #[test]
    fn what_belongs_to_nothing_traced_is_not_traced() {
        traced(|journal| {
            let untraced = BatchNotifier::traced(Span::none());
            assert!(transform(&"ecs".into(), &batch(&[&untraced])).is_none());
            assert_eq!(deliver(&"out".into(), batch(&[&untraced])).len(), 1);
            assert_eq!(journal.lines(), Vec::<String>::new());
        });
    }
}
