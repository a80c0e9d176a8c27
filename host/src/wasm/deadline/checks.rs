//! Writes the looks at the clock into the code of a component.
//!
//! Each core module gets one memory more, and a write to its first byte at the beginning of every function and of every
//! turn of a loop: no code runs on for ever without passing one of these. Nothing else changes; the memory comes last,
//! so that all numbers stay what they were.
//!
//! It is a write and not a read, since a compiler may use what it has read before once more. Cranelift leaves out a
//! write only if the same write follows on every way from there, or came before with none between, which a loop's own
//! write on its way back prevents.

use wasm_encoder::{
    CodeSection, Component, CustomSection, Function, Instruction, MemArg, MemorySection, MemoryType, Module,
    ModuleSection, SectionId,
    reencode::{Error, Reencode, ReencodeComponent, utils},
};
use wasmparser::{CustomSectionReader, FunctionBody, MemorySectionReader, Parser, Payload, TypeRef};

/// The type of the memory for checks, in pages, by which it is known when it is made. No other memory may have it: the
/// host reads and writes those, too, and must not find one taken away.
const MINIMUM: u64 = 1;
const MAXIMUM: u64 = 54_321;

/// Changes whenever other code comes out.
pub(super) const VERSION: u32 = 1;

type Result<T, E = Error<Taken>> = std::result::Result<T, E>;

/// The component has a memory that looks like that for the checks.
#[derive(Debug, thiserror::Error)]
#[error(
    "it has a memory of {MINIMUM} to {MAXIMUM} pages, and the host keeps this type for itself: declare another maximum"
)]
pub(super) struct Taken;

/// Whether a memory of that many pages is there to be taken away at the deadline.
pub(super) fn is_for_checks(minimum: u64, maximum: Option<u64>) -> bool {
    minimum == MINIMUM && maximum == Some(MAXIMUM)
}

/// A valid component, with checks in all its core modules.
pub(super) fn add(component: &[u8]) -> Result<Vec<u8>> {
    let mut checked = Component::new();
    Modules.parse_component(&mut checked, Parser::new(0), component)?;
    Ok(checked.finish())
}

/// Copies everything but core modules.
struct Modules;

impl Reencode for Modules {
    type Error = Taken;
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
                        let memory = memory?;
                        if is_for_checks(memory.initial, memory.maximum) {
                            return Err(Error::UserError(Taken));
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
    type Error = Taken;

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
