//! Standard streams, and what a process is told of itself: nothing. Input has ended, output goes to the log line by line or nowhere.

use wasmtime::{bail, component::Resource};

use super::{
    Wasi,
    bindings::wasi::{
        cli::{
            environment, exit, stderr, stdin, stdout, terminal_input, terminal_output, terminal_stderr,
            terminal_stdin, terminal_stdout,
        },
        io::{
            error,
            streams::{self, StreamError},
        },
    },
    clocks::Pollable,
};
use crate::wasm::guest_log::{GuestLog, LOG_LINE_BYTES};

/// What a component may write at once.
const PERMIT: u64 = 64 << 10;

/// Standard input, which has ended.
#[derive(Debug)]
#[expect(unreachable_pub, reason = "what bindgen writes re-exports it")]
pub struct Input;

/// A stream that can be written to.
#[derive(Debug, Clone, Copy)]
#[expect(unreachable_pub, reason = "what bindgen writes re-exports it")]
pub enum Output {
    Stdout,
    Stderr,
}

/// Makes lines of what is written.
pub(super) struct Lines {
    level: u8,
    /// The beginning of the line that has not ended; what would be cut anyway is left out.
    begun: Vec<u8>,
}

impl Lines {
    pub(super) fn new(level: u8) -> Self {
        Self {
            level,
            begun: Vec::new(),
        }
    }

    fn write(&mut self, bytes: &[u8], log: &GuestLog) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let text = part.strip_suffix(b"\n").unwrap_or(part);
            let room = LOG_LINE_BYTES.saturating_sub(self.begun.len()).min(text.len());
            self.begun.extend_from_slice(text.get(..room).unwrap_or_default());
            if text.len() < part.len() {
                self.end(log);
            }
        }
    }

    pub(super) fn end(&mut self, log: &GuestLog) {
        // An empty line says nothing.
        if !self.begun.is_empty() {
            log.line(self.level, String::from_utf8_lossy(&self.begun).trim_end());
            self.begun.clear();
        }
    }
}

type Written<T> = wasmtime::Result<Result<T, StreamError>>;

impl Wasi {
    fn put(&mut self, output: &Resource<Output>, bytes: &[u8]) -> Written<()> {
        let output = *self.handles.get(output)?;
        if self.grants.stderr {
            let lines = match output {
                Output::Stdout => &mut self.stdout,
                Output::Stderr => &mut self.stderr,
            };
            lines.write(bytes, &self.log);
        }
        Ok(Ok(()))
    }
}

impl streams::HostOutputStream for Wasi {
    fn check_write(&mut self, _: Resource<Output>) -> Written<u64> {
        self.on_time()?;
        Ok(Ok(PERMIT))
    }

    fn write(&mut self, output: Resource<Output>, bytes: Vec<u8>) -> Written<()> {
        self.on_time()?;
        self.put(&output, &bytes)
    }

    fn blocking_write_and_flush(&mut self, output: Resource<Output>, bytes: Vec<u8>) -> Written<()> {
        self.on_time()?;
        self.put(&output, &bytes)
    }

    fn flush(&mut self, _: Resource<Output>) -> Written<()> {
        self.on_time()?;
        Ok(Ok(()))
    }

    fn blocking_flush(&mut self, _: Resource<Output>) -> Written<()> {
        self.on_time()?;
        Ok(Ok(()))
    }

    fn subscribe(&mut self, _: Resource<Output>) -> wasmtime::Result<Resource<Pollable>> {
        self.on_time()?;
        self.ready()
    }

    // Zeroes are no text: nobody would read them.
    fn write_zeroes(&mut self, _: Resource<Output>, _: u64) -> Written<()> {
        self.on_time()?;
        Ok(Ok(()))
    }

    fn blocking_write_zeroes_and_flush(&mut self, _: Resource<Output>, _: u64) -> Written<()> {
        self.on_time()?;
        Ok(Ok(()))
    }

    fn splice(&mut self, _: Resource<Output>, _: Resource<Input>, _: u64) -> Written<u64> {
        self.on_time()?;
        Ok(Err(StreamError::Closed))
    }

    fn blocking_splice(&mut self, _: Resource<Output>, _: Resource<Input>, _: u64) -> Written<u64> {
        self.on_time()?;
        Ok(Err(StreamError::Closed))
    }

    fn drop(&mut self, output: Resource<Output>) -> wasmtime::Result<()> {
        self.on_time()?;
        self.handles.delete(output)?;
        Ok(())
    }
}

impl streams::HostInputStream for Wasi {
    fn read(&mut self, _: Resource<Input>, _: u64) -> Written<Vec<u8>> {
        self.on_time()?;
        Ok(Err(StreamError::Closed))
    }

    fn blocking_read(&mut self, _: Resource<Input>, _: u64) -> Written<Vec<u8>> {
        self.on_time()?;
        Ok(Err(StreamError::Closed))
    }

    fn skip(&mut self, _: Resource<Input>, _: u64) -> Written<u64> {
        self.on_time()?;
        Ok(Err(StreamError::Closed))
    }

    fn blocking_skip(&mut self, _: Resource<Input>, _: u64) -> Written<u64> {
        self.on_time()?;
        Ok(Err(StreamError::Closed))
    }

    fn subscribe(&mut self, _: Resource<Input>) -> wasmtime::Result<Resource<Pollable>> {
        self.on_time()?;
        self.ready()
    }

    fn drop(&mut self, input: Resource<Input>) -> wasmtime::Result<()> {
        self.on_time()?;
        self.handles.delete(input)?;
        Ok(())
    }
}

impl streams::Host for Wasi {}

/// No stream here fails, so there is no such error.
impl error::HostError for Wasi {
    fn to_debug_string(&mut self, error: Resource<error::Error>) -> wasmtime::Result<String> {
        self.on_time()?;
        match *self.handles.get(&error)? {}
    }

    fn drop(&mut self, error: Resource<error::Error>) -> wasmtime::Result<()> {
        self.on_time()?;
        self.handles.delete(error)?;
        Ok(())
    }
}

impl error::Host for Wasi {}

impl stdin::Host for Wasi {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<Input>> {
        self.on_time()?;
        Ok(self.handles.push(Input)?)
    }
}

impl stdout::Host for Wasi {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<Output>> {
        self.on_time()?;
        Ok(self.handles.push(Output::Stdout)?)
    }
}

impl stderr::Host for Wasi {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<Output>> {
        self.on_time()?;
        Ok(self.handles.push(Output::Stderr)?)
    }
}

impl environment::Host for Wasi {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        self.on_time()?;
        Ok(Vec::new())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        self.on_time()?;
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        self.on_time()?;
        Ok(None)
    }
}

impl exit::Host for Wasi {
    fn exit(&mut self, _: Result<(), ()>) -> wasmtime::Result<()> {
        self.on_time()?;
        bail!("the component ended itself")
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        self.on_time()?;
        bail!("the component ended itself with the exit code {code}")
    }
}

// There is no terminal, so nothing that could be done with one.
impl terminal_input::HostTerminalInput for Wasi {
    fn drop(&mut self, terminal: Resource<terminal_input::TerminalInput>) -> wasmtime::Result<()> {
        self.on_time()?;
        self.handles.delete(terminal)?;
        Ok(())
    }
}

impl terminal_input::Host for Wasi {}

impl terminal_output::HostTerminalOutput for Wasi {
    fn drop(&mut self, terminal: Resource<terminal_output::TerminalOutput>) -> wasmtime::Result<()> {
        self.on_time()?;
        self.handles.delete(terminal)?;
        Ok(())
    }
}

impl terminal_output::Host for Wasi {}

impl terminal_stdin::Host for Wasi {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<terminal_input::TerminalInput>>> {
        self.on_time()?;
        Ok(None)
    }
}

impl terminal_stdout::Host for Wasi {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        self.on_time()?;
        Ok(None)
    }
}

impl terminal_stderr::Host for Wasi {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<terminal_output::TerminalOutput>>> {
        self.on_time()?;
        Ok(None)
    }
}
