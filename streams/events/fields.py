"""The limits and small types that events are made of.

Rules of this file: types and numbers only, each limit with its reason. A limit that changes here
changes in `schemas/` too; `tests/unit/events/test_schemas.py` compares the two field by field.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta

from streams.core.local_calendar import LAST_MS
from streams.core.written import MAX_IDENTIFIER

MAX_SOURCE: Final = 256
"""Characters of an event's `source`, room for a URI with a path, and of its `subject`."""

MAX_CUSTOMERS: Final = 1_000
"""Customers of one intent."""

MIN_MS: Final = 1_000_000_000_000
"""9 September 2001, before anything governed here. A time in seconds is below it until the year
33658, and so is the 0 that some producers write for "none": both are refused."""

MAX_MS: Final = LAST_MS
"""The last millisecond of the year 9999, which RFC 3339 can still write."""

MAX_CAMPAIGN_SIZE: Final = 1_000_000_000
"""A larger audience is a producer's mistake."""

MAX_CONTENT_REF: Final = 256
MAX_ATTRIBUTES: Final = 16
MAX_ATTRIBUTE_NAME: Final = 64
MAX_ATTRIBUTE_VALUE: Final = 256

MAX_RECORD_BYTES: Final = 262_144
"""Bytes of a whole record; a longer input is `too_large`.

The longest valid intent fits: 1,000 customers of 128 characters, quoted, are 131,000 bytes. All
other texts together are at most 6,500 characters, 12 bytes each when escaped as surrogate pairs:
78,000 bytes. The rest allows for white space and for attributes that the engine does not know.
"""

# `Meta(pattern=...)` would check character sets with a regular expression for each field, which
# makes decoding four times slower. `checks` tests all identifiers of an event at once.
Identifier = Annotated[str, Meta(min_length=1, max_length=MAX_IDENTIFIER)]
EventId = Annotated[str, Meta(min_length=1, max_length=MAX_IDENTIFIER)]
Source = Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE)]
Subject = Annotated[str, Meta(min_length=1, max_length=MAX_SOURCE)]
Milliseconds = Annotated[int, Meta(ge=MIN_MS, le=MAX_MS)]
Priority = Annotated[int, Meta(ge=0, le=100)]
CampaignSize = Annotated[int, Meta(ge=1, le=MAX_CAMPAIGN_SIZE)]
Customers = Annotated[list[Identifier], Meta(min_length=1, max_length=MAX_CUSTOMERS)]
ContentRef = Annotated[str, Meta(min_length=1, max_length=MAX_CONTENT_REF)]
AttributeName = Annotated[str, Meta(min_length=1, max_length=MAX_ATTRIBUTE_NAME)]
AttributeValue = Annotated[str, Meta(max_length=MAX_ATTRIBUTE_VALUE)]
Attributes = Annotated[dict[AttributeName, AttributeValue], Meta(max_length=MAX_ATTRIBUTES)]

KindName = Literal[
    "direct", "broadcast", "moment", "friend_request", "reply", "transactional", "transfer"
]
