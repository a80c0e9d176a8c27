//! A transform on threads of its own.
//!
//! Transforms are CPU work and would block the async threads. Batches go to the workers in turn and come back in the
//! same turn, so the order of events is kept with any number of workers and without a buffer that could grow.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use o365_core::{
    BatchReceiver, ComponentError, ComponentKey, EventBatch, FunctionTransform, OutputBuffer, SyncTransform,
    Transform, TransformOutputs,
};
use tokio::sync::mpsc;
use tracing::Span;

use super::{fanout::Fanout, trace};
use crate::dead_letter::DeadLetters;

/// Batches that may wait before and after each worker. Results are taken in turn, so while one worker has no core the others live on
/// these; each more is some hundred kilobytes for every worker.
const WORKER_QUEUE: usize = 2;

/// Where the results of a transform go.
#[derive(Debug)]
pub(super) struct StageOutputs {
    pub(super) default: Fanout,
    pub(super) named: Vec<(String, Fanout)>,
    /// Counts the events that the transform gave up on.
    pub(super) failed: Arc<AtomicU64>,
    pub(super) dead_letters: DeadLetters,
}

/// Runs a transform until its input ends.
pub(super) async fn run(
    key: ComponentKey,
    transform: Transform,
    workers: usize,
    input: BatchReceiver,
    outputs: StageOutputs,
) -> Result<(), ComponentError> {
    match transform {
        Transform::Function(function) => {
            run_sync(key, Box::new(Batched(function)), workers, input, outputs).await
        }
        Transform::Synchronous(sync) => run_sync(key, sync, workers, input, outputs).await,
        Transform::Task(task) => {
            use futures_util::StreamExt;
            let mut stream = task.transform(input.boxed());
            while let Some(batch) = stream.next().await {
                outputs.default.send(batch).await?;
            }
            Ok(())
        }
    }
}

/// A function transform, batch by batch.
struct Batched(Box<dyn FunctionTransform>);

impl SyncTransform for Batched {
    fn transform_batch(&mut self, batch: EventBatch, outputs: &mut TransformOutputs) {
        let mut buffer = OutputBuffer::default();
        for event in batch {
            self.0.transform(&mut buffer, event);
        }
        outputs.append(buffer);
    }

    fn clone_box(&self) -> Box<dyn SyncTransform> {
        Box::new(Self(self.0.clone_box()))
    }
}

struct Worker {
    input: mpsc::Sender<EventBatch>,
    output: mpsc::Receiver<TransformOutputs>,
    thread: thread::JoinHandle<()>,
}

async fn run_sync(
    key: ComponentKey,
    transform: Box<dyn SyncTransform>,
    workers: usize,
    mut input: BatchReceiver,
    outputs: StageOutputs,
) -> Result<(), ComponentError> {
    let names: Vec<String> = outputs.named.iter().map(|(name, _)| name.clone()).collect();
    let workers = if transform.needs_order() {
        1
    } else {
        workers.max(1)
    };
    let workers: Vec<Worker> = (0..workers)
        .map(|number| spawn(&key, number, transform.clone_box(), &names))
        .collect::<Result<_, _>>()?;
    let (inputs, mut results, threads): (Vec<_>, Vec<_>, Vec<_>) = workers
        .into_iter()
        .map(|worker| (worker.input, worker.output, worker.thread))
        .collect();

    let dispatch = async move {
        let mut turn = 0;
        while let Some(batch) = input.recv().await {
            if inputs[turn].send(batch).await.is_err() {
                break;
            }
            turn = (turn + 1) % inputs.len();
        }
        // Dropping the input ends the upstream, dropping the senders ends the workers.
    };
    let result = {
        let collect = collect(&key, &mut results, &outputs);
        tokio::pin!(collect);
        tokio::select! {
            // Ends first only when a worker died or the downstream is gone; the dispatcher is then given up.
            result = &mut collect => result,
            () = dispatch => collect.await,
        }
    };
    drop(results);
    for thread in threads {
        // The worker ends as soon as its channels do. What it panicked with was printed by the panic hook.
        if tokio::task::spawn_blocking(move || thread.join()).await?.is_err() {
            return Err(format!("transform `{key}` panicked; its events will be sent again").into());
        }
    }
    result
}

fn spawn(
    key: &ComponentKey,
    number: usize,
    mut transform: Box<dyn SyncTransform>,
    names: &[String],
) -> std::io::Result<Worker> {
    let (input, mut batches) = mpsc::channel::<EventBatch>(WORKER_QUEUE);
    let (results, output) = mpsc::channel(WORKER_QUEUE);
    let (names, owner, component) = (names.to_vec(), key.clone(), Span::current());
    let work = move || {
        let _component = component.enter();
        while let Some(batch) = batches.blocking_recv() {
            let mut outputs = TransformOutputs::new(names.iter().cloned());
            let span = trace::transform(&owner, &batch);
            span.in_scope(|| transform.transform_batch(batch, &mut outputs));
            trace::transformed(&span, outputs.failed());
            drop(span);
            if results.blocking_send(outputs).is_err() {
                break;
            }
        }
    };
    let thread = thread::Builder::new()
        .name(format!("{key}-{number}"))
        .spawn(work)?;
    Ok(Worker {
        input,
        output,
        thread,
    })
}

/// Takes results in the turn in which batches were given out; the first worker that has no more ends the turn.
async fn collect(
    key: &ComponentKey,
    results: &mut [mpsc::Receiver<TransformOutputs>],
    outputs: &StageOutputs,
) -> Result<(), ComponentError> {
    let mut turn = 0;
    while let Some(mut result) = results[turn].recv().await {
        send(key, &mut result, outputs).await?;
        turn = (turn + 1) % results.len();
    }
    Ok(())
}

async fn send(
    key: &ComponentKey,
    result: &mut TransformOutputs,
    outputs: &StageOutputs,
) -> Result<(), ComponentError> {
    let failed = result.take_failed();
    outputs.failed.fetch_add(failed.len() as u64, Ordering::Relaxed);
    outputs.dead_letters.keep(key, failed).await;
    outputs.default.send(result.take_default()).await?;
    let named: Vec<EventBatch> = result.take_named().map(|(_, batch)| batch).collect();
    for ((_, fanout), batch) in outputs.named.iter().zip(named) {
        fanout.send(batch).await?;
    }
    Ok(())
}
