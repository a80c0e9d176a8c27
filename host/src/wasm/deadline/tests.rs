//! Code that would never end, in all the ways that code has, and code that ends.

use std::time::{Duration, Instant};

use wasmtime::{
    Config, Engine, Store, Trap, WasmBacktrace,
    component::{Component, Linker, TypedFunc},
};

use super::{checks, epochs::Epochs, watchdog::Watchdog};

const SOON: Duration = Duration::from_millis(50);
/// Far longer than any code here that ends.
const LATER: Duration = Duration::from_mins(10);

/// A component with one function, `run`, which takes a number and gives one back.
fn component(module: &str) -> Vec<u8> {
    let text = format!(
        r#"(component
            (core module $code {module})
            (core instance $code (instantiate $code))
            (func (export "run") (param "n" u32) (result u32) (canon lift (core func $code "run"))))"#
    );
    wat::parse_str(text).expect("the text is right")
}

/// Starts within the first deadline and runs within the second.
fn run_within(component: &[u8], n: u32, (start, deadline): (Duration, Duration)) -> wasmtime::Result<u32> {
    let mut config = Config::new();
    Watchdog::configure(&mut config);
    let engine = Engine::new(&config)?;
    let watchdog = Watchdog::start(&engine)?;
    let component = Component::new(&engine, Watchdog::prepare(component)?)?;
    let clock = watchdog.clock();
    let mut store = Store::new(&engine, ());
    let instance = clock.run(&mut store, start, |store| {
        Linker::new(&engine).instantiate(store, &component)
    })?;
    let run: TypedFunc<(u32,), (u32,)> = instance.get_typed_func(&mut store, "run")?;
    Ok(clock.run(&mut store, deadline, |store| run.call(store, (n,)))?.0)
}

fn run(component: &[u8], n: u32) -> wasmtime::Result<u32> {
    run_within(component, n, (LATER, LATER))
}

#[track_caller]
fn is_stopped(module: &str) {
    // A busy machine may take its time for a start that ends.
    is_stopped_within((LATER, SOON), module);
}

#[track_caller]
fn is_stopped_within(deadlines: (Duration, Duration), module: &str) {
    let began = Instant::now();
    let error = run_within(&component(module), 1, deadlines).expect_err("it never ends");
    assert_eq!(
        error.downcast_ref::<Trap>(),
        Some(&Trap::Interrupt),
        "{module}: {error:?}"
    );
    assert!(
        error.downcast_ref::<WasmBacktrace>().is_some(),
        "{module}: {error:?}"
    );
    assert!(began.elapsed() >= SOON, "{module}: too early");
}

#[test]
fn loops_are_stopped() {
    is_stopped(r#"(func (export "run") (param i32) (result i32) (loop (br 0)) unreachable)"#);
    // The check of the outer loop comes right before that of the inner one, which does the same.
    is_stopped(
        r#"(func (export "run") (param i32) (result i32)
            (loop $outer (loop $inner (br_if $inner (local.get 0)) (br $outer))) unreachable)"#,
    );
    is_stopped(
        r#"(func (export "run") (param i32) (result i32)
            (loop $outer
                (loop $inner
                    (br_if $inner (i32.and (local.tee 0 (i32.add (local.get 0) (i32.const 1))) (i32.const 7))))
                (br $outer))
            unreachable)"#,
    );
    // Two checks on each way round, with memory of its own written between them.
    is_stopped(
        r#"(memory 1) (func (export "run") (param i32) (result i32)
            (loop $again
                (i32.store (i32.const 8) (local.get 0))
                (block (loop $twice (br_if 1 (local.get 0)) (br $twice)))
                (i32.store (i32.const 8) (i32.const 0))
                (br $again))
            unreachable)"#,
    );
}

#[test]
fn recursion_is_stopped() {
    // By tail calls, so that no stack is used.
    is_stopped(r#"(func $f (export "run") (param i32) (result i32) (return_call $f (local.get 0)))"#);
    // By a tree of calls that is never deep: 2^200 of them.
    is_stopped(
        r#"(func $tree (param i32) (result i32)
            (if (result i32) (local.get 0)
                (then (i32.add
                    (call $tree (i32.sub (local.get 0) (i32.const 1)))
                    (call $tree (i32.sub (local.get 0) (i32.const 1)))))
                (else (i32.const 1))))
          (func (export "run") (param i32) (result i32) (call $tree (i32.const 200)))"#,
    );
}

#[test]
fn code_that_never_finishes_its_start_is_stopped() {
    is_stopped_within(
        (SOON, SOON),
        r#"(func $begin (loop (br 0))) (start $begin)
           (func (export "run") (param i32) (result i32) (i32.const 1))"#,
    );
}

const SUM: &str = r#"(memory 1) (func (export "run") (param $n i32) (result i32) (local $sum i32)
    (loop $next
        (local.set $sum (i32.add (local.get $sum) (local.get $n)))
        (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))"#;

#[test]
fn code_that_ends_in_time_is_left_alone() {
    assert_eq!(run(&component(SUM), 100).unwrap(), 5_050);
}

/// What is wrong with the component's own memory stays its own fault.
#[test]
fn other_traps_stay_what_they_are() {
    let beyond =
        r#"(memory 1 1) (func (export "run") (param i32) (result i32) (i32.load (i32.const 65536)))"#;
    let error = run(&component(beyond), 1).unwrap_err();
    assert_eq!(
        error.downcast_ref::<Trap>(),
        Some(&Trap::MemoryOutOfBounds),
        "{error:?}"
    );
}

#[test]
fn memory_of_its_own_grows_and_keeps_what_it_holds() {
    let grows = r#"(memory 1 100)
        (data (i32.const 65532) "\2a\00\00\00")
        (func (export "run") (param $pages i32) (result i32)
            (if (i32.ne (memory.grow (local.get $pages)) (i32.const 1)) (then unreachable))
            (i32.store (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)) (i32.const 1))
            (i32.add
                (i32.load (i32.const 65532))
                (i32.load (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 4)))))"#;
    assert_eq!(run(&component(grows), 99).unwrap(), 43);
    let error = run(&component(grows), 100).unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::UnreachableCodeReached));
}

#[test]
fn a_component_cannot_reach_the_memory_of_the_checks() {
    let stray = r#"(memory 1) (func (export "run") (param i32) (result i32) (i32.load8_u 1 (i32.const 0)))"#;
    let error = Watchdog::prepare(&component(stray)).unwrap_err();
    assert!(error.to_string().contains("unknown memory 1"), "{error:?}");
    assert!(!Watchdog::has_refused(&error));
}

#[test]
fn a_component_with_a_memory_like_that_of_the_checks_is_refused() {
    for minimum in [0, 1, 2] {
        let same = format!(
            r#"(memory {minimum} 54321) (func (export "run") (param i32) (result i32) (local.get 0))"#
        );
        let error = Watchdog::prepare(&component(&same)).unwrap_err();
        assert!(error.to_string().contains("declare another one"), "{error:?}");
        assert!(Watchdog::has_refused(&error));
    }
}

/// Copying them in each other takes the stack of the thread that loads a component.
#[test]
fn components_too_deep_in_each_other_are_refused() {
    let nested = |levels| {
        let text = format!("{}{}", "(component".repeat(levels), ")".repeat(levels));
        wat::parse_str(text).expect("the text is right")
    };
    assert!(Watchdog::prepare(&nested(30)).is_ok());
    let error = Watchdog::prepare(&nested(40)).unwrap_err();
    assert!(error.to_string().contains("levels deep"), "{error:?}");
    assert!(Watchdog::has_refused(&error));
}

/// A section of names in which nothing is right.
#[test]
fn names_that_nobody_can_read_are_no_obstacle() {
    let mut unreadable = component(SUM);
    let content = b"\x0ecomponent-name\xff\xff\xff";
    unreadable.push(0);
    unreadable.push(u8::try_from(content.len()).unwrap());
    unreadable.extend_from_slice(content);
    assert_eq!(run(&unreadable, 100).unwrap(), 5_050);
}

/// Modules within components within a component, and modules without any code.
#[test]
fn every_core_module_is_checked() {
    let nested = wat::parse_str(
        r#"(component
            (core module (memory 3) (table 1 funcref) (global i32 (i32.const 0)))
            (component (core module (import "a" "m" (memory 1)) (func) (func (loop))))
            (core module (type (func)) (import "a" "f" (func (type 0)))))"#,
    )
    .unwrap();
    let checked = what_was_added(&checks::add(&nested).unwrap());
    assert_eq!(
        checked,
        [
            "1 of 2 memories, 0 checks",
            "1 of 2 memories, 3 checks",
            "1 of 1 memories, 0 checks"
        ]
    );
}

/// What was put into each core module.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn what_was_added(component: &[u8]) -> Vec<String> {
    use wasmparser::{Operator, Parser, Payload, TypeRef};
    let mut modules: Vec<(u32, u32, u32)> = Vec::new();
    for payload in Parser::new(0).parse_all(component) {
        match payload.unwrap() {
            Payload::ModuleSection { .. } => modules.push((0, 0, 0)),
            Payload::ImportSection(imports) => {
                let memories = imports
                    .into_imports()
                    .filter(|import| matches!(import.as_ref().unwrap().ty, TypeRef::Memory(_)));
                modules.last_mut().unwrap().1 += u32::try_from(memories.count()).unwrap();
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    let memory = memory.unwrap();
                    let module = modules.last_mut().unwrap();
                    module.0 += u32::from(checks::is_for_checks(memory.initial, memory.maximum));
                    module.1 += 1;
                }
            }
            Payload::CodeSectionEntry(body) => {
                let module = modules.last_mut().unwrap();
                for operator in body.get_operators_reader().unwrap() {
                    if let Operator::I32Store8 { memarg } = operator.unwrap() {
                        assert_eq!(memarg.memory + 1, module.1, "the last memory");
                        module.2 += 1;
                    }
                }
            }
            _ => {}
        }
    }
    modules
        .iter()
        .map(|(ours, all, checks)| format!("{ours} of {all} memories, {checks} checks"))
        .collect()
}

/// What other systems use.
#[test]
fn epochs_stop_code_as_well() {
    let mut config = Config::new();
    Epochs::configure(&mut config);
    let engine = Engine::new(&config).unwrap();
    let epochs = Epochs::start(&engine).unwrap();
    let forever = r#"(func (export "run") (param i32) (result i32) (loop (br 0)) unreachable)"#;
    let component = Component::new(&engine, Epochs::prepare(&component(forever)).unwrap()).unwrap();
    let clock = epochs.clock();
    let mut store = Store::new(&engine, ());
    let instance = clock
        .run(&mut store, LATER, |store| {
            Linker::new(&engine).instantiate(store, &component)
        })
        .unwrap();
    let run: TypedFunc<(u32,), (u32,)> = instance.get_typed_func(&mut store, "run").unwrap();
    let error = clock
        .run(&mut store, SOON, |store| run.call(store, (1,)))
        .unwrap_err();
    assert_eq!(error.downcast_ref::<Trap>(), Some(&Trap::Interrupt));
    // A cache tells the code of the two apart, and only the checks need memory.
    assert_ne!(Epochs::CODE, Watchdog::CODE);
    let (bytes, maximum) = (1 << 16, Some(54_321 << 16));
    assert!(Watchdog::asked_for(bytes, maximum) && !Watchdog::asked_for(bytes, None));
    assert!(!Epochs::asked_for(bytes, maximum));
    assert!(!Epochs::has_refused(&error));
}
