"""What every section of a policy file is: a pydantic model that becomes one value of the core.

Rules of this file: nothing here knows what a policy says. A section's fields have the core's names,
with an alias where the file's key is another; its docstring is its description in the JSON Schema.
A field that may be left out has a default as a document would write it, or is `Unwritten`.
Pydantic collects the faults; what is said of each stands here and in the forms of `values`.
"""

# ruff: noqa: ANN401 (what stands in a document, and what the core makes of it, may be anything)

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeVar, Union, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from streams.policy.faults import Fault, printable, show, suggest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import GetCoreSchemaHandler, ModelWrapValidatorHandler
    from pydantic_core import ErrorDetails
    from pydantic_core.core_schema import CoreSchema

T = TypeVar("T")

_UNKNOWN_KEY: Final = ("extra_forbidden", "invalid_key")

_SENTENCES: Final = {
    "fault": "{sentence}",
    "value_error": "{error}",
    "missing": "is missing",
    "model_type": "must be a mapping of keys, not {shown}",
    "dict_type": "must be a mapping of keys, not {shown}",
    "list_type": "must be a list, not {shown}",
    "too_long": "a list of {actual_length} is too long; the most is {max_length}",
    "too_short": "a list of {actual_length} is too short; the least is {min_length}",
}
"""What is said of each of pydantic's types of error."""


class _NotNull:
    """Null is no value of a field, though leaving it out gives None."""

    def __get_pydantic_core_schema__(self, source: Any, read: GetCoreSchemaHandler) -> CoreSchema:
        written = tuple(part for part in get_args(source) if part is not NoneType)
        return read.generate_schema(Union[written])  # noqa: UP007 - of a tuple


Unwritten = Annotated[T | None, _NotNull()]
"""The type of a field that is None where the document leaves it out."""


def default(written: object, **more: Any) -> Any:
    """A field's default, as a document would write it."""
    return Field(default=written, validate_default=True, **more)


class Section(BaseModel):
    """A mapping of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    core: ClassVar[Callable[..., Any]]
    """Makes the value of the core out of the fields."""

    def faults(self) -> Iterable[Fault]:
        """What contradicts itself although each field is right by itself."""
        return ()

    def compiled(self) -> Any:
        """The value of the core."""
        return type(self).core(**{name: _compiled(value) for name, value in self})

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, value: object, read: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            section = read(value)
        except ValidationError as error:
            known = [field.alias or name for name, field in cls.model_fields.items()]
            raise refusal(faults_in(error, known)) from None
        if faults := tuple(section.faults()):
            raise refusal(faults)
        return section


def _compiled(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_compiled, value))
    return value.compiled() if isinstance(value, Section) else value


def refusal(faults: Iterable[Fault]) -> ValidationError:
    """Faults in the form in which pydantic carries them further up."""
    return ValidationError.from_exception_data(
        "policy",
        [
            InitErrorDetails(
                type=PydanticCustomError("fault", "{sentence}", {"sentence": fault.message}),
                loc=(fault.path,),
                input=None,
            )
            for fault in faults
        ],
    )


def faults_in(error: ValidationError, known: Iterable[str] = ()) -> list[Fault]:
    """What pydantic refused, in our words; unknown keys first, for they explain what is missing."""
    lines = sorted(
        error.errors(include_url=False), key=lambda line: line["type"] not in _UNKNOWN_KEY
    )
    return [Fault(_path(line), _sentence(line, known)) for line in lines]


def _path(line: ErrorDetails) -> str:
    steps, below = list(line["loc"]), ""
    if line["type"] == "fault":
        below = str(steps.pop())
    elif line["type"] == "value_error" and steps[-1:] == ["[key]"]:
        steps[-2:] = [step_of(line["input"])]  # a key is wrong, not what stands under it
    elif line["type"] == "invalid_key":
        steps[-1:] = [step_of(line["input"])]
    fault = Fault(below, "")
    for step in reversed(steps):
        fault = fault.below(step if isinstance(step, int) else step_of(step))
    return fault.path


def step_of(key: object) -> str:
    """A key of the document's own as a step of a path."""
    return printable(key) if isinstance(key, str) and key else show(key)


def _sentence(line: ErrorDetails, known: Iterable[str]) -> str:
    say = _SENTENCES.get(line["type"])
    facts = {"shown": show(line["input"]), **line.get("ctx", {})}
    if line["type"] in _UNKNOWN_KEY:
        return f"unknown key{suggest(line['loc'][-1], known)}"
    return say.format_map(facts) if say else printable(line["msg"])
