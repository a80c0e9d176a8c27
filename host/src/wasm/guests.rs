//! Components written by hand, for tests: they echo, tag, or misbehave as they are told. The end-to-end tests use them, too.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// A component of the world that echoes its events. `$guilty` runs for an event that begins with `!` and must leave the
/// stack as it was; `$batch` runs once for each batch.
const GUEST: &str = r#"
(module
  (type $log (func (param i32 i32 i32)))
  (import "o365:transform/host@1.0.0" "log" (func $log (type $log)))
  (memory (export "memory") 1)
  (global $heap (mut i32) (i32.const 4096))
  ;; For guests that remember a guilty event of the batch.
  (global $seen (mut i32) (i32.const 0))
  (data (i32.const 16) "test")
  (data (i32.const 32) "1.0.0")
  (data (i32.const 48) "no such option")

  (func $alloc (param $size i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
    (global.set $heap (i32.add (local.get $at) (local.get $size)))
    (block $fits
      (loop $grow
        (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $grow (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))
        unreachable))
    (local.get $at))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $size i32) (result i32)
    (call $alloc (local.get $size)))

  (func (export "o365:transform/mapper@1.0.0#describe") (result i32)
    (i32.store (i32.const 128) (i32.const 16)) (i32.store (i32.const 132) (i32.const 4))
    (i32.store (i32.const 136) (i32.const 32)) (i32.store (i32.const 140) (i32.const 5))
    (i32.store (i32.const 144) (i32.const 16)) (i32.store (i32.const 148) (i32.const 4))
    (i32.store (i32.const 152) (i32.const 16)) (i32.store (i32.const 156) (i32.const 4))
    (i32.const 128))

  ;; Anything but `{}` is refused.
  (func (export "o365:transform/mapper@1.0.0#configure") (param $at i32) (param $length i32) (result i32)
    (i32.store8 (i32.const 192) (i32.ne (local.get $length) (i32.const 2)))
    (i32.store (i32.const 196) (i32.const 48)) (i32.store (i32.const 200) (i32.const 14))
    (i32.const 192))

  (func $guilty (param $outcome i32) {guilty})
  (func $emit (param $outcome i32) (param $event i32) (param $length i32) (local $at i32) {emit})

  (func (export "o365:transform/mapper@1.0.0#transform-batch")
    (param $context i32) (param $context_length i32) (param $events i32) (param $count i32) (result i32)
    (local $outcomes i32) (local $index i32) (local $event i32) (local $outcome i32) (local $result i32)
    ;; One more than there are events: a guest may say that there are more.
    (local.set $outcomes (call $alloc (i32.mul (i32.add (local.get $count) (i32.const 1)) (i32.const 12))))
    (i32.store8 (i32.add (local.get $outcomes) (i32.mul (local.get $count) (i32.const 12))) (i32.const 1))
    (local.set $result (call $alloc (i32.const 8)))
    (block $done
      (loop $next
        (br_if $done (i32.eq (local.get $index) (local.get $count)))
        (local.set $event (i32.add (local.get $events) (i32.mul (local.get $index) (i32.const 8))))
        (local.set $outcome (i32.add (local.get $outcomes) (i32.mul (local.get $index) (i32.const 12))))
        (i32.store8 (local.get $outcome) (i32.const 0))
        (call $emit (local.get $outcome) (i32.load (local.get $event)) (i32.load offset=4 (local.get $event)))
        (if (i32.eq (i32.load8_u (i32.load (local.get $event))) (i32.const 33))
          (then (call $guilty (local.get $outcome))))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $result) (local.get $outcomes))
    (i32.store offset=4 (local.get $result) {count})
    (local.get $result))
  ;; When the host has read the answer, everything is free again.
  (func (export "cabi_post_o365:transform/mapper@1.0.0#transform-batch") (param i32)
    (global.set $seen (i32.const 0))
    (global.set $heap (i32.const 4096)))
)"#;

const ECHO: &str = "(i32.store offset=4 (local.get $outcome) (local.get $event))
    (i32.store offset=8 (local.get $outcome) (local.get $length))";

/// Makes `{"tag":"T",…` of `{…`: eleven bytes for the first one.
const TAG: &str = r"(local.set $at (call $alloc (i32.add (local.get $length) (i32.const 10))))
    (i64.store (local.get $at) (i64.const 0x223a22676174227b))
    (i32.store8 offset=8 (local.get $at) (i32.const {tag}))
    (i32.store16 offset=9 (local.get $at) (i32.const 0x2c22))
    (memory.copy (i32.add (local.get $at) (i32.const 11)) (i32.add (local.get $event) (i32.const 1))
      (i32.sub (local.get $length) (i32.const 1)))
    (i32.store offset=4 (local.get $outcome) (local.get $at))
    (i32.store offset=8 (local.get $outcome) (i32.add (local.get $length) (i32.const 10)))";

/// Builds the guest with the given code for guilty events and the given number of outcomes.
pub(crate) fn guest(guilty: &str, count: &str) -> Vec<u8> {
    build(ECHO, guilty, count)
}

/// Builds a guest that never gets through its start.
pub(crate) fn never_started() -> Vec<u8> {
    let endless = GUEST.trim_end().trim_end_matches(')').to_owned()
        + "(func $endless (loop $l (br $l))) (start $endless))";
    component(
        &endless
            .replace("{emit}", ECHO)
            .replace("{guilty}", "nop")
            .replace("{count}", "(local.get $count)"),
    )
}

/// Builds a guest that adds a field `tag` with one letter to every event.
pub(crate) fn tagging(tag: char) -> Vec<u8> {
    build(
        &TAG.replace("{tag}", &u32::from(tag).to_string()),
        "nop",
        "(local.get $count)",
    )
}

fn build(emit: &str, guilty: &str, count: &str) -> Vec<u8> {
    component(
        &GUEST
            .replace("{emit}", emit)
            .replace("{guilty}", guilty)
            .replace("{count}", count),
    )
}

/// Builds a guest that echoes, of the same world in another package or version, such as `o365:transform@1.1.0`.
pub(crate) fn of_package(package: &str) -> Vec<u8> {
    let (name, version) = package.split_once('@').unwrap_or((package, ""));
    let version = if version.is_empty() {
        String::new()
    } else {
        format!("@{version}")
    };
    let module = GUEST
        .replace("{emit}", ECHO)
        .replace("{guilty}", "nop")
        .replace("{count}", "(local.get $count)")
        .replace("@1.0.0", &version)
        .replace("o365:transform", name);
    component_of(&module, &wit().replace("o365:transform@1.0.0", package))
}

/// Network as WASI would have it: a resource of its own, and one that it shares with the streams.
const SOCKETS: &str = "package wasi:sockets@0.2.3;
interface tcp {
  use wasi:io/streams@0.2.3.{input-stream};
  resource tcp-socket;
  connect: func() -> tcp-socket;
  receive: func(socket: borrow<tcp-socket>) -> input-stream;
}";

/// Builds a guest that was made for WASI 0.2.3. `imports` are core functions: interface, function, type.
pub(crate) fn wasi_guest(imports: &[(&str, &str, &str)], guilty: &str) -> Vec<u8> {
    let functions: String = imports
        .iter()
        .map(|(interface, function, ty)| {
            let id = function.rsplit(['.', ']']).next().unwrap_or_default();
            format!("(import \"wasi:{interface}@0.2.3\" \"{function}\" (func ${id} {ty}))\n")
        })
        .collect();
    let interfaces: std::collections::BTreeSet<_> = imports.iter().map(|(interface, ..)| interface).collect();
    let world: String = interfaces
        .iter()
        .map(|interface| format!("import wasi:{interface}@0.2.3;\n"))
        .collect();
    let first = "(import \"o365:transform/host@1.0.0\"";
    let module = GUEST
        .replacen(first, &format!("{functions}{first}"), 1)
        .replace("{emit}", ECHO)
        .replace("{guilty}", guilty)
        .replace("{count}", "(local.get $count)");
    let mut resolve = wit_parser::Resolve::default();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src/wasm/wasi/wit/deps");
    for name in ["io.wit", "clocks.wit", "random.wit", "cli.wit"] {
        let text = std::fs::read_to_string(folder.join(name)).unwrap();
        resolve.push_str(name, &text.replace("0.2.12", "0.2.3")).unwrap();
    }
    resolve.push_str("sockets.wit", SOCKETS).unwrap();
    let wit = wit().replace("  import host;", &format!("  import host;\n{world}"));
    encode(&module, resolve, &wit)
}

fn wit() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/transform.wit")).unwrap()
}

fn component(module: &str) -> Vec<u8> {
    component_of(module, &wit())
}

fn component_of(module: &str, wit: &str) -> Vec<u8> {
    encode(module, wit_parser::Resolve::default(), wit)
}

fn encode(module: &str, mut resolve: wit_parser::Resolve, wit: &str) -> Vec<u8> {
    let mut module = wat::parse_str(module).unwrap();
    let package = resolve.push_str("transform.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some("transform")).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default()
        .module(&module)
        .unwrap()
        .validate(true)
        .encode()
        .unwrap()
}
