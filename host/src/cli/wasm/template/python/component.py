"""The component: a thin shell around the mapping, and the only place that knows the contract in `wit/transform.wit`."""

# Made by the build; `componentize-py -d wit -w transform bindings .` writes it for your editor.
from componentize_py_types import Err
from wit_world import exports
from wit_world.exports.mapper import Metadata, Outcome, Outcome_Drop, Outcome_Emit, Outcome_Fail

from mapping import DESCRIPTION, OUTPUT_SCHEMA, Mapper as Mapping, Unmappable

# An instance has one thread and one configuration.
mapping = Mapping()


class Mapper(exports.Mapper):
    def describe(self) -> Metadata:
        return Metadata("{{name}}", "0.1.0", DESCRIPTION, OUTPUT_SCHEMA)

    def configure(self, options: str) -> None:
        global mapping
        try:
            mapping = Mapping.configure(options)
        except ValueError as error:
            raise Err(str(error)) from error

    def transform_batch(self, context: str, events: list[bytes]) -> list[Outcome]:
        return [one(event) for event in events]


def one(event: bytes) -> Outcome:
    try:
        document = mapping.map(event)
    except Unmappable as reason:
        return Outcome_Fail(str(reason))
    except Exception as error:
        # Else it would cost the whole batch a second try: it is the fault of this record.
        return Outcome_Fail(f"the mapping failed: {error!r}")
    return Outcome_Drop() if document is None else Outcome_Emit(document)
