"""The JSON Schema of a policy file, printed from the models that read it.

`python -m streams.policy.schema > schemas/policy.schema.json` writes it anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

from streams.policy.parse import Document

if TYPE_CHECKING:
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema


class _Schema(GenerateJsonSchema):
    """Pydantic's, without what says nothing to a reader."""

    def sort(self, value: JsonSchemaValue, parent_key: str | None = None) -> JsonSchemaValue:  # noqa: ARG002
        """As the models have it, not by the alphabet."""
        return value

    def field_title_should_be_set(self, *_: Any) -> bool:
        """No: the key is title enough."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        """A docstring is one sentence after the other; its line breaks mean nothing."""
        printed = super().model_schema(schema)
        return printed | {"description": " ".join(printed.get("description", "").split())}

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """No default where None only means that nothing was written."""
        printed = super().default_schema(schema)
        return {key: value for key, value in printed.items() if (key, value) != ("default", None)}


def policy_schema() -> dict[str, Any]:
    """What a policy document must look like, as far as JSON Schema can say it."""
    printed = Document.model_json_schema(schema_generator=_Schema)
    named = {"$defs": printed.pop("$defs")}  # last: a reader begins with the document
    return {"$schema": _Schema.schema_dialect, "$id": "urn:decorum:policy"} | printed | named


if __name__ == "__main__":
    print(json.dumps(policy_schema(), indent=2))  # noqa: T201
