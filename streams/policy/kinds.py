"""Kinds in a policy file: lists of them, and the groups that stand for lists.

What a group stands for is known before the sections are read (`Context`), so that each section has
its own bit mask at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, Protocol

from pydantic import Field, Strict, TypeAdapter, ValidationError
from pydantic_core import core_schema
from typing_extensions import TypeAliasType

from streams.core.kinds import ALL_KINDS, KIND_NAMES, KIND_OF, STAGED, Kind, mask_of
from streams.policy.faults import Fault, Refused, show, spelt
from streams.policy.section import refusal
from streams.policy.values import Form, choice, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import (
        GetCoreSchemaHandler,
        GetJsonSchemaHandler,
        ValidationInfo,
        ValidatorFunctionWrapHandler,
    )
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core.core_schema import CoreSchema

WINDOW_KINDS: Final = ALL_KINDS & ~mask_of([Kind.REPLY])
"""A reply is outside all windows: its credit alone limits it."""

CAMPAIGN_KINDS: Final = mask_of(STAGED)
"""Only these carry a `campaign_id` (the contract's intents)."""

GOVERNABLE: Final = ALL_KINDS & ~mask_of([Kind.REPLY, Kind.TRANSACTIONAL, Kind.TRANSFER])
"""The kinds that marketing's sections can bind; the three others pass them all."""

CONSENTED: Final = GOVERNABLE | mask_of([Kind.TRANSACTIONAL])
"""The kinds that consent can bind."""

_GROUP: Final = r"[a-z][a-z0-9_-]{0,63}"
_names_a_group = text(_GROUP, "a-z, then up to 63 of a-z 0-9 _ -")


class Context(NamedTuple):
    """What the sections of a document are read with."""

    groups: Mapping[str, int | None]
    """What each group stands for; None where the group itself is broken."""
    in_force: int | None = None
    """The version that the document's must be above."""


def _mask(names: list[str]) -> int:
    twice = [index for index, name in enumerate(names) if name in names[:index]]
    if twice:
        raise refusal(Fault(f"[{i}]", f"{show(names[i])} is named twice") for i in twice)
    return mask_of(KIND_OF[name] for name in names)


class _Listed(NamedTuple):
    """A bit mask from a list of kinds; from a group's name too, where that is `or_group`."""

    least: int = 1
    or_group: bool = True

    def __get_pydantic_core_schema__(self, _: object, read: GetCoreSchemaHandler) -> CoreSchema:
        length = Field(min_length=self.least, max_length=len(KIND_NAMES))
        names = read.generate_schema(Annotated[list[KindName], Strict(), length])
        mask = core_schema.no_info_after_validator_function(_mask, names)
        if not self.or_group:
            return mask
        return core_schema.with_info_wrap_validator_function(_or_group, mask)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, print_: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        listed = print_(schema) | {"uniqueItems": True}
        if not self.or_group:
            return listed
        words = "A list of kinds, or the name of a group."
        return {"description": words, "anyOf": [listed, _group_name.schema]}


def _or_group(
    value: object, read: ValidatorFunctionWrapHandler, info: ValidationInfo[Context]
) -> int:
    if not isinstance(value, str):
        mask: int = read(value)
        return mask
    if value in KIND_OF:
        raise Refused(f"one kind is a list too: [{value}]")
    groups = info.context.groups
    if value not in groups:
        raise Refused(f"{show(value)} is no group{spelt(value, groups)}")
    if (found := groups[value]) is None:
        raise Refused  # its own fault is told under `groups`
    return found


def _read_group_name(value: object) -> str:
    name = _names_a_group(value)
    if name in KIND_OF:
        raise Refused("is the name of a kind; a group needs a name of its own")
    return name


_group_name: Final = Form(
    _read_group_name, {**_names_a_group.schema, "not": {"enum": list(KIND_NAMES)}}
)

KindName = TypeAliasType("KindName", Annotated[str, choice({name: name for name in KIND_NAMES})])
KindList = TypeAliasType("KindList", Annotated[int, _Listed(or_group=False)])
Kinds = TypeAliasType("Kinds", Annotated[int, _Listed()])
KindsOrNone = TypeAliasType("KindsOrNone", Annotated[int, _Listed(least=0)])
Groups = TypeAliasType(
    "Groups",
    Annotated[
        dict[Annotated[str, _group_name], KindList],
        Field(json_schema_extra={"additionalProperties": False}),
    ],
)

_group = TypeAdapter(tuple[Annotated[str, _group_name], KindList])


def groups_of(document: object) -> dict[str, int | None]:
    """What each group of a document stands for."""
    groups = document.get("groups") if isinstance(document, dict) else None
    named = groups.items() if isinstance(groups, dict) else ()
    return {name: _mask_of_group(name, kinds) for name, kinds in named if isinstance(name, str)}


def _mask_of_group(name: str, kinds: object) -> int | None:
    try:
        return _group.validate_python((name, kinds))[1]
    except ValidationError:
        return None


class _WithKinds(Protocol):
    @property
    def kinds(self) -> int: ...


def binds(section: _WithKinds, mask: int, why: str) -> Iterator[Fault]:
    """Refuse a section none of whose kinds it could ever bind; a part of them is only noted."""
    if not section.kinds & mask:
        yield Fault("kinds", f"never binds: {why}")


def binds_marketing(section: _WithKinds) -> Iterator[Fault]:
    """The same, of a section that is about marketing."""
    return binds(section, GOVERNABLE, "reply, transactional and transfer pass it")
