"""Look-ups over HTTP: `/v1/customers/…`, `/v1/accounts/…`, `/v1/campaigns/…`, read-only.

Every worker answers for the keys of its own partitions and redirects to the owner of the others.
Rules of this file: it finds the partition of a key; `views` reads the state. A request is
redirected at most once, so that two workers that each take the other for the owner never send a
client in circles. No identifier is logged.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from streams.core.customer.dry_run import Question
from streams.core.kinds import MOST_URGENT
from streams.core.written import IDENTIFIER_CHARACTERS, MAX_IDENTIFIER
from streams.runtime.partitioner import partition_for
from streams.settings import split_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from streams.runtime.snapshot import StageSnapshot
    from streams.runtime.state import State

BAD_REQUEST: Final = 400
NOT_FOUND: Final = 404
SERVICE_UNAVAILABLE: Final = 503
TEMPORARY_REDIRECT: Final = 307

RETRY_AFTER_S: Final = 1
"""A partition that moves is away for about a second; a large state takes several seconds."""

REDIRECTED: Final = "redirected"
"""The query parameter that marks a redirected request; such a request is not redirected again."""

_is_number = re.compile("[0-9]{1,3}").fullmatch
_ALLOWED: Final = frozenset(IDENTIFIER_CHARACTERS.decode())
_IDENTIFIER_RULE: Final = f"must be 1 to {MAX_IDENTIFIER} characters out of A-Z a-z 0-9 _-.:@="
_NOT_CACHED: Final = {"Cache-Control": "no-store"}


class Owners(Protocol):
    """What look-ups need from the runtime."""

    def snapshot(self) -> Mapping[str, StageSnapshot]:
        """The partitions of each stage on this worker."""

    def state(self, stage: str, partition: int) -> State | None:
        """A partition's state; None if it is not here."""

    def owner(self, stage: str, partition: int) -> str | None:
        """The address of the worker that owns this partition, if it is known."""


class LookupRequest(NamedTuple):
    """A checked request: whose data, and the question of a dry run."""

    enterprise: str
    name: str
    question: Question
    redirected: bool


class Answer(NamedTuple):
    """The answer; `body` becomes JSON."""

    known: bool
    body: Mapping[str, Any]


class Subject(NamedTuple):
    """One kind of look-up: its path, where its state is, and how to answer."""

    path: str
    stage: str
    key: Callable[[str, str], bytes]
    parameters: frozenset[str]
    answer: Callable[[State, LookupRequest, int], Answer]


class Lookups:
    """The handlers of the look-ups over the partitions of one worker."""

    def __init__(
        self, owners: Owners, partitions: int, address: str, clock: Callable[[], int]
    ) -> None:
        """`address`: this worker's host:port as others know it; `clock`: UTC milliseconds."""
        self._owners = owners
        self._partitions = partitions
        self._address = address
        self._clock = clock

    def routes(self, subjects: Iterable[Subject]) -> list[web.RouteDef]:
        """One route for each subject."""
        return [
            web.get(
                f"/v1/{subject.path}/{{enterprise:[^/]+}}/{{name:[^/]+}}", self._handler(subject)
            )
            for subject in subjects
        ]

    def _handler(self, subject: Subject) -> Any:  # noqa: ANN401 (aiohttp's own handler type)
        async def answer(request: web.Request) -> web.Response:
            try:
                wanted = _request_of(request, subject.parameters)
            except ValueError as wrong:
                return _error(BAD_REQUEST, str(wrong))
            return self._answer(subject, wanted)

        return answer

    def _answer(self, subject: Subject, wanted: LookupRequest) -> web.Response:
        # Not the router's cache: the keys of look-ups would evict those of busy customers.
        key = subject.key(wanted.enterprise, wanted.name)
        number = partition_for(key, self._partitions)
        stage = self._owners.snapshot().get(subject.stage)
        if stage is None or number not in stage.assigned:
            return self._redirect(subject, number, wanted)
        state = self._owners.state(subject.stage, number)
        if state is None or number not in stage.accepting:
            return _unavailable("this worker is still recovering that partition")
        found = subject.answer(state, wanted, self._clock())
        return _json(found.body, 200 if found.known else NOT_FOUND)

    def _redirect(self, subject: Subject, number: int, wanted: LookupRequest) -> web.Response:
        owner = self._owners.owner(subject.stage, number)
        if wanted.redirected or not owner or owner == self._address:
            return _unavailable("the owner of that partition is not known here at the moment")
        authority = _authority(owner)
        if authority is None:
            return _unavailable("the owner's DECORUM_HTTP is no address that others can reach")
        query = urlencode(_query_of(wanted))
        path = f"/v1/{subject.path}/{wanted.enterprise}/{wanted.name}"
        headers = {"Location": f"http://{authority}{path}?{query}", **_NOT_CACHED}
        return web.Response(status=TEMPORARY_REDIRECT, headers=headers)


def _request_of(request: web.Request, parameters: frozenset[str]) -> LookupRequest:
    """Raises ValueError with a sentence that contains nothing of the request."""
    enterprise = _identifier("enterprise", request.match_info["enterprise"])
    name = _identifier("name", request.match_info["name"])
    given = request.query
    if not set(given) <= parameters | {REDIRECTED}:
        known = ", ".join(f"`{known}`" for known in sorted(parameters))
        raise ValueError(f"unknown query parameter; {known or 'none'} can be given here")
    if len(set(given)) < len(given):
        raise ValueError("a query parameter is given twice")
    if given.get(REDIRECTED, "1") != "1":
        raise ValueError(f"`{REDIRECTED}` must be 1")
    question = Question(
        account_id=_optional("account", given),
        campaign_id=_optional("campaign", given),
        priority=_priority(given.get("priority")),
    )
    return LookupRequest(enterprise, name, question, REDIRECTED in given)


def _identifier(place: str, text: str) -> str:
    if not 0 < len(text) <= MAX_IDENTIFIER or not _ALLOWED.issuperset(text):
        raise ValueError(f"`{place}` {_IDENTIFIER_RULE}")
    return text


def _optional(place: str, given: Mapping[str, str]) -> str | None:
    text = given.get(place)
    return None if text is None else _identifier(place, text)


def _priority(text: str | None) -> int:
    if text is None:
        return Question().priority
    if not _is_number(text) or int(text) > MOST_URGENT:
        raise ValueError(f"`priority` must be a whole number from 0 to {MOST_URGENT}")
    return int(text)


def _query_of(wanted: LookupRequest) -> dict[str, str]:
    asked, usual = wanted.question, Question()
    query = {"account": asked.account_id, "campaign": asked.campaign_id}
    if asked.priority != usual.priority:
        query["priority"] = str(asked.priority)
    return {name: text for name, text in query.items() if text is not None} | {REDIRECTED: "1"}


def _authority(address: str) -> str | None:
    """The address as in a URL; None for one that means any host or any port."""
    host, port = split_address(address)
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{port}" if port else None
    if ip.is_unspecified or not port:
        return None
    return f"[{ip}]:{port}" if ip.version == 6 else f"{ip}:{port}"  # noqa: PLR2004


def _json(body: Mapping[str, Any], status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        content_type="application/json",
        headers=_NOT_CACHED,
    )


def _error(status: int, sentence: str) -> web.Response:
    return _json({"error": sentence}, status)


def _unavailable(sentence: str) -> web.Response:
    response = _error(SERVICE_UNAVAILABLE, f"{sentence}; ask again")
    response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response
