//! Writes the looks at the clock into the code of a component.
//!
//! Each core module gets one memory more, and a write to its first byte at the beginning of every function and of every
//! turn of a loop: no code runs on for ever without passing one of these. Nothing else changes; the memory comes last,
//! so that all numbers stay what they were.
//!
//! It is a write and not a read, since a compiler may use what it has read before once more. Cranelift leaves out a
//! write that another one follows or precedes at the same place, but never the last one of a way round: at the head of
//! a loop, what was written last depends on where the code came from (`cranelift-codegen`, `alias_analysis.rs`).

use wasm_encoder::{
    CodeSection, Component, CustomSection, Function, Instruction, MemArg, MemorySection, MemoryType, Module,
    ModuleSection, SectionId,
    reencode::{Error, Reencode, ReencodeComponent, component_utils, utils},
};
use wasmparser::{CustomSectionReader, FunctionBody, MemorySectionReader, Parser, Payload, TypeRef};

/// The type of the memory for checks, in pages, by which it is known when it is made. No other memory may have this
/// maximum: the host reads and writes those, too, and must not find one taken away.
const MINIMUM: u64 = 1;
const MAXIMUM: u64 = 54_321;

/// How deep components may lie in each other: copying them needs the stack. Tools make two or three levels.
const DEEPEST: usize = 32;

/// Changes whenever other code comes out.
pub(super) const VERSION: u32 = 1;

type Result<T, E = Error<Refused>> = std::result::Result<T, E>;

/// Why a component that is valid gets no checks.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    #[error(
        "it has a memory with a maximum of exactly {MAXIMUM} pages, which the host keeps for itself: declare another one"
    )]
    Memory,
    #[error("it has components within components, more than {DEEPEST} levels deep")]
    Depth,
}

/// Whether a memory of that many pages is there to be taken away at the deadline.
pub(super) fn is_for_checks(minimum: u64, maximum: Option<u64>) -> bool {
    minimum == MINIMUM && maximum == Some(MAXIMUM)
}

/// A valid component, with checks in all its core modules.
pub(super) fn add(component: &[u8]) -> Result<Vec<u8>> {
    let mut checked = Component::new();
    Modules { depth: 0 }.parse_component(&mut checked, Parser::new(0), component)?;
    Ok(checked.finish())
}

/// Copies everything but core modules.
struct Modules {
    /// Of the component that is being copied.
    depth: usize,
}

impl Reencode for Modules {
    type Error = Refused;
}

impl ReencodeComponent for Modules {
    fn parse_component_submodule(
        &mut self,
        component: &mut Component,
        parser: Parser,
        module: &[u8],
    ) -> Result<()> {
        let mut checked = Module::new();
        CoreModule::new(parser.clone(), module)?.parse_core_module(&mut checked, parser, module)?;
        component.section(&ModuleSection(&checked));
        Ok(())
    }

    fn parse_component_subcomponent(
        &mut self,
        component: &mut Component,
        parser: Parser,
        inner: &[u8],
        whole: &[u8],
    ) -> Result<()> {
        if self.depth == DEEPEST {
            return Err(Error::UserError(Refused::Depth));
        }
        self.depth += 1;
        component_utils::parse_component_subcomponent(self, component, parser, inner, whole)?;
        self.depth -= 1;
        Ok(())
    }

    /// As it is: names that nobody can read are no reason to refuse a component.
    fn parse_component_custom_section(
        &mut self,
        component: &mut Component,
        section: CustomSectionReader<'_>,
    ) -> Result<()> {
        component.section(&CustomSection {
            name: section.name().into(),
            data: section.data().into(),
        });
        Ok(())
    }
}

struct CoreModule {
    /// Number of the memory for the checks.
    memory: u32,
    /// Whether it has been declared.
    declared: bool,
}

impl CoreModule {
    fn new(parser: Parser, module: &[u8]) -> Result<Self> {
        let mut memory = 0;
        for payload in parser.parse_all(module) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        memory += u32::from(matches!(import?.ty, TypeRef::Memory(_)));
                    }
                }
                Payload::MemorySection(memories) => {
                    memory += memories.count();
                    for memory in memories {
                        if memory?.maximum == Some(MAXIMUM) {
                            return Err(Error::UserError(Refused::Memory));
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(Self {
            memory,
            declared: false,
        })
    }

    fn declare(&mut self, memories: &mut MemorySection) {
        memories.memory(MemoryType {
            minimum: MINIMUM,
            maximum: Some(MAXIMUM),
            memory64: false,
            shared: false,
            page_size_log2: None,
        });
        self.declared = true;
    }

    fn check(&self, function: &mut Function) {
        function.instruction(&Instruction::I32Const(0));
        function.instruction(&Instruction::I32Const(0));
        function.instruction(&Instruction::I32Store8(MemArg {
            offset: 0,
            align: 0,
            memory_index: self.memory,
        }));
    }
}

impl Reencode for CoreModule {
    type Error = Refused;

    fn parse_memory_section(
        &mut self,
        memories: &mut MemorySection,
        section: MemorySectionReader<'_>,
    ) -> Result<()> {
        utils::parse_memory_section(self, memories, section)?;
        self.declare(memories);
        Ok(())
    }

    /// Declares the memory where a module has no section for memories.
    fn intersperse_section_hook(
        &mut self,
        module: &mut Module,
        _after: Option<SectionId>,
        before: Option<SectionId>,
    ) -> Result<()> {
        let comes_before_memories = matches!(
            before,
            Some(
                SectionId::Custom
                    | SectionId::Type
                    | SectionId::Import
                    | SectionId::Function
                    | SectionId::Table
                    | SectionId::Memory
            )
        );
        if !self.declared && !comes_before_memories {
            let mut memories = MemorySection::new();
            self.declare(&mut memories);
            module.section(&memories);
        }
        Ok(())
    }

    fn parse_function_body(&mut self, code: &mut CodeSection, body: FunctionBody<'_>) -> Result<()> {
        let mut function = self.new_function_with_parsed_locals(&body)?;
        self.check(&mut function);
        let mut reader = body.get_operators_reader()?;
        while !reader.eof() {
            let instruction = self.parse_instruction(&mut reader)?;
            function.instruction(&instruction);
            if matches!(instruction, Instruction::Loop(_)) {
                self.check(&mut function);
            }
        }
        code.function(&function);
        Ok(())
    }

    /// Leaves out what refers to places in the code: they have moved.
    fn parse_custom_section(&mut self, module: &mut Module, section: CustomSectionReader<'_>) -> Result<()> {
        let name = section.name();
        if name.starts_with(".debug_") || name.starts_with("metadata.code.") {
            return Ok(());
        }
        module.section(&CustomSection {
            name: name.into(),
            data: section.data().into(),
        });
        Ok(())
    }
}
