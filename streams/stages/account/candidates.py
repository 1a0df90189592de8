"""The account stage's candidates: customers of an intent on their way to the customer stage.

Rules of this file: values become outputs; who goes on is decided elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from streams.core.account.turns import QUANTUM
from streams.core.customer.request import Candidate
from streams.events.internal import encode_candidate
from streams.events.keys import customer_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streams.core.customer.request import Request, Verdict
    from streams.runtime.budget import Budget
    from streams.runtime.records import Output
    from streams.stages.account.slices import QueuedSlice
    from streams.stages.context import StageContext


class CandidateWriter:
    """Writes the candidates of one batch."""

    def __init__(self, context: StageContext, outputs: list[Output], budget: Budget) -> None:
        self._topic, self._partition = context.topics.candidates, context.router.partition
        self._outputs, self._budget = outputs, budget

    def forward(  # noqa: PLR0913 (what a candidate is made of)
        self,
        enterprise: str,
        request: Request,
        customers: Iterable[str],
        *,
        permit_ms: int = 0,
        is_held: bool = False,
        denial: Verdict | None = None,
        ticket: int = 0,
    ) -> None:
        """Hand customers of an intent to the customer stage, with a permit or a denial.

        `is_held`: the customer stage holds the request. `ticket`: the number of the slice in which
        they waited, 0 if the customer stage does not know of it.
        """
        value = encode_candidate(Candidate(request, permit_ms, is_held, denial, ticket))
        topic, partition, outputs = self._topic, self._partition, self._outputs
        for customer in customers:
            key = customer_key(enterprise, customer)
            outputs.append((topic, partition(key), key, value))

    def forward_within_budget(
        self,
        enterprise: str,
        request: Request,
        customers: list[str],
        *,
        is_held: bool,
        denial: Verdict | None = None,
    ) -> int:
        """As `forward`, for as many as the batch has room for, `QUANTUM` at least; how many."""
        done = 0
        while done < len(customers) and (not done or self._budget.has_room()):
            turn = customers[done : done + QUANTUM]
            self.forward(enterprise, request, turn, is_held=is_held, denial=denial)
            done += len(turn)
        return done

    def forward_slice(
        self,
        slice_: QueuedSlice,
        customers: Iterable[str],
        ticket: int,
        *,
        permit_ms: int = 0,
        denial: Verdict | None = None,
    ) -> None:
        """As `forward`, for customers who waited in a slice of a queue."""
        self.forward(
            slice_.enterprise,
            slice_.request,
            customers,
            permit_ms=permit_ms,
            is_held=slice_.is_held,
            denial=denial,
            ticket=ticket,
        )

    def announce(
        self, slice_: QueuedSlice, waiting: Iterable[tuple[str, Verdict]], ticket: int
    ) -> None:
        """Say of each customer that they wait, for the customer stage to hold and to publish.

        What only the sender needs stays in the queue.
        """
        request, outputs = replace(slice_.request, attributes=None), self._outputs
        for customer, verdict in waiting:
            candidate = Candidate(request, is_held=slice_.is_held, ticket=ticket, wait=verdict)
            key = customer_key(slice_.enterprise, customer)
            outputs.append((self._topic, self._partition(key), key, encode_candidate(candidate)))
