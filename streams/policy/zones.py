"""The name of a time zone, in a policy or from a customer."""

from __future__ import annotations

import re
from typing import Final

from streams.core.local_calendar import zone_named, zone_names
from streams.policy.faults import show, spelt

_OFFSET: Final = re.compile("[0-9]")
"""What `Etc/GMT+8` has and a zone named after a place has not: a digit is no slip of the pen."""


def zone_fault(value: object) -> str | None:
    """What is wrong with the name of a zone, of a policy or a customer's; None where nothing is."""
    if isinstance(value, str) and zone_named(value) is not None:
        return None
    return f"{show(value)} is not an IANA time zone like Asia/Shanghai{_nearest_zone(value)}"


def _nearest_zone(wrong: object) -> str:
    """A zone to offer, only where it must be the one meant: a wrong one is hours off, and easily
    taken. Abbreviations and offsets (`CST`, `GMT+8`) have no neighbour that is sure to be right.
    """
    if not isinstance(wrong, str):
        return ""
    same = [name for name in zone_names() if name.casefold() == wrong.casefold()]
    area = wrong.casefold().rpartition("/")[0]
    there = (name for name in zone_names() if _area_of(name) == area and not _OFFSET.search(name))
    return spelt(wrong, same or (there if area else ()))


def _area_of(zone: str) -> str:
    return zone.casefold().rpartition("/")[0]
