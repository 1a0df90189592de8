"""The contract with Faust's and aiokafka's private parts.

If one of these fails after an upgrade, read `faust_adapter.py` and `faust_group.py` in
`streams/runtime/` against the new version before anything else, and run
tests/integration/kafka/test_runtime*.py.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version
from pathlib import Path

import aiokafka
import pytest
from aiokafka.consumer import fetcher, group_coordinator
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.producer import sender
from faust.tables import TableManager
from faust.transport import consumer as base
from faust.transport.drivers import aiokafka as driver

from streams.runtime import aiokafka_patches, faust_adapter, faust_group, fetch_patches
from streams.runtime.assignor import StickyUnits
from streams.runtime.faust_adapter import AppConsumer, AppTransport
from streams.runtime.faust_group import AppThread
from streams.runtime.record_batches import Batches

RUNTIME = Path(faust_adapter.__file__).parent
OWNERS = (aiokafka_patches, faust_adapter, faust_group, fetch_patches)
ALL_PRIVATE = [one for owner in OWNERS for one in owner.PRIVATE_NAMES]


def parameters(function: object) -> list[str]:
    return list(inspect.signature(function).parameters)  # type: ignore[arg-type]


def test_the_versions_this_was_read_against() -> None:
    assert version("faust-streaming") == "0.15.3"
    assert version("aiokafka").startswith("0.14.")


@pytest.mark.parametrize(
    ("owner", "name"),
    [(o, n) for o, names in ALL_PRIVATE for n in names],
)
def test_each_private_name_exists(owner: type, name: str) -> None:
    assert hasattr(owner, name) or name in inspect.get_annotations(owner)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (driver.Consumer._getmany, AppConsumer._getmany),
        (driver.Consumer._new_consumer_thread, AppConsumer._new_consumer_thread),
        (driver.Consumer.verify_event_path, AppConsumer.verify_event_path),
        (driver.AIOKafkaConsumerThread._create_worker_consumer, AppThread._create_worker_consumer),
        (driver.Producer._new_producer, faust_adapter.AppProducer._new_producer),
    ],
)
def test_what_we_override_has_the_signature_we_give_it(theirs: object, ours: object) -> None:
    assert parameters(theirs) == parameters(ours)


def test_the_fetch_loop_still_asks_the_hook_and_respects_what_it_returns() -> None:
    """Faust's streams, acks and commits must only see what `_getmany` returns."""
    source = inspect.getsource(base.Consumer._wait_next_records)
    assert "await self._getmany(" in source
    assert "_wait_next_records" in inspect.getsource(base.Consumer.getmany)


def test_the_thread_makes_its_consumer_through_the_hook() -> None:
    source = inspect.getsource(driver.AIOKafkaConsumerThread._create_consumer)
    assert "self._create_worker_consumer(transport)" in source
    assert "self._create_consumer(" in inspect.getsource(driver.AIOKafkaConsumerThread.on_start)


def test_the_consumer_makes_its_thread_through_the_hook() -> None:
    source = inspect.getsource(base.ThreadDelegateConsumer.__init__)
    assert "self._thread = self._new_consumer_thread()" in source


def test_the_transport_makes_what_its_class_names() -> None:
    assert AppTransport.Consumer is AppConsumer
    assert "self.Consumer(" in inspect.getsource(driver.Transport.create_consumer)
    assert "self.Producer(" in inspect.getsource(driver.Transport.create_producer)


def test_faust_seeks_to_the_groups_offsets_only_through_what_we_override() -> None:
    """Otherwise it would move stage topics away from their checkpoints after a rebalance."""
    assert "await self.seek_to_committed()" in inspect.getsource(base.Consumer.perform_seek)
    delegate = inspect.getsource(base.ThreadDelegateConsumer.seek_to_committed)
    assert "self._thread.seek_to_committed()" in delegate
    assert parameters(AppThread.seek_to_committed) == ["self"]


def test_seeks_run_in_the_consumers_thread_and_wait() -> None:
    source = inspect.getsource(driver.AIOKafkaConsumerThread.seek_wait)
    assert "await self.call_thread(" in source


def test_what_a_group_refuses_for_good_waits_where_we_look_for_it() -> None:
    source = inspect.getsource(aiokafka.AIOKafkaConsumer)
    assert "self._coordinator = GroupCoordinator(" in source
    assert "self._coordinator.check_errors()" in source
    assert "raise exc" in inspect.getsource(group_coordinator.GroupCoordinator.check_errors)


def test_a_member_knows_its_generation_and_its_name() -> None:
    """And the group is asked with just these whether it has them still."""
    assert "self.coordinator_dead()" in inspect.getsource(
        group_coordinator.GroupCoordinator._send_req
    )
    heartbeat = inspect.getsource(group_coordinator.GroupCoordinator._do_heartbeat)
    assert "HeartbeatRequest(self.group_id, self.generation, self.member_id)" in heartbeat


def test_a_member_that_is_closing_joins_no_more() -> None:
    """The runtime sets the same mark, and leaves the group itself."""
    theirs = group_coordinator.GroupCoordinator
    assert "self._closing.set_result(None)" in inspect.getsource(theirs.close)
    assert "while not self._closing.done():" in inspect.getsource(theirs)


def test_an_assignor_may_be_an_object() -> None:
    """The interface names class methods; ours needs to know its stages."""
    assert issubclass(StickyUnits, AbstractPartitionAssignor)
    source = inspect.getsource(group_coordinator)
    for call in ("assignor.metadata(", "assignor.assign(", "assignor.on_assignment("):
        assert call in source
    assert "assignor()" not in source


def test_the_pause_between_transactions_is_the_constant_we_set() -> None:
    assert sender.BACKOFF_OVERRIDE == aiokafka_patches.TRANSACTION_RETRY_S
    handler = inspect.getsource(sender.AddPartitionsToTxnHandler.handle_response)
    assert "return BACKOFF_OVERRIDE" in handler


def test_what_is_fetched_is_unpacked_by_us() -> None:
    """`tests/unit/runtime/test_record_batches.py` says how; what aiokafka does around it must
    stay."""
    theirs = fetcher.PartitionRecords
    assert theirs._unpack_records is fetch_patches._unpack_records
    assert fetcher.MemoryRecords is Batches
    assert "self._records_iterator = self._unpack_records()" in inspect.getsource(theirs.__init__)
    arrival = inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "records = MemoryRecords(part_data[-1])" in arrival
    assert set(re.findall(r"\brecords\.(\w+)\(", arrival)) == {"has_next", "size_in_bytes"}
    for name in ("_tp", "_records", "_aborted_producers", "_isolation_level", "next_fetch_offset"):
        assert f"self.{name} = " in inspect.getsource(theirs.__init__)
    assert "self._partition_records.next_fetch_offset" in inspect.getsource(fetcher.FetchResult)


def test_whether_broken_batches_are_kept_travels_with_the_check_of_checksums() -> None:
    """From the consumer's option to each partition's records, untouched on the way."""
    assert "check_crcs=self._check_crcs" in inspect.getsource(aiokafka.AIOKafkaConsumer.start)
    assert "self._check_crcs," in inspect.getsource(fetcher.Fetcher._proc_fetch_request)
    assert "self._check_crcs = check_crcs" in inspect.getsource(fetcher.PartitionRecords.__init__)
    assert "KEEP_UNREADABLE" in inspect.getsource(AppThread._create_worker_consumer)


def test_faust_waits_a_second_for_tables_and_does_then_what_we_do_at_once() -> None:
    theirs = inspect.getsource(TableManager.on_start)
    assert "await self.sleep(1.0)" in theirs
    for call in ("await self._update_channels()", "await self.recovery.start()"):
        assert call in theirs
        assert call in inspect.getsource(faust_adapter.NoTables.on_start)


def test_sending_a_batch_is_public_and_takes_a_partition() -> None:
    assert parameters(aiokafka.AIOKafkaProducer.send_batch) == [
        "self",
        "batch",
        "topic",
        "partition",
    ]
    assert "create_batch" in dir(aiokafka.AIOKafkaProducer)


def test_no_other_file_of_the_runtime_touches_a_private_name_of_theirs() -> None:
    allowed = {f"{owner.__name__.rpartition('.')[2]}.py" for owner in OWNERS}
    found = {file.name: touched_in(file) for file in RUNTIME.glob("*.py")}
    assert {name for name, touched in found.items() if touched} == allowed, found


def touched_in(file: Path) -> list[str]:
    """The private names that a file reads from somebody else's object."""
    code = re.sub(r'"""[\s\S]*?"""', "", file.read_text(encoding="utf-8"))
    names = "admin|app|batch|client|consumer|coordinator|fetcher|producer|sender|transport"
    return re.findall(rf"(?:\b(?:{names}|[A-Z]\w+)|\))\._(?!_|replace)\w+", code)
