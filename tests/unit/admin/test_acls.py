from __future__ import annotations

import shlex

import pytest
from click.testing import CliRunner

from streams.admin.acls import ENGINE, ENGINE_GROUP, ROLES, Grant, Role, commands, grants, user_name
from streams.cli import main
from streams.topics import CONTROLS, DECISIONS, INTENTS, POLICIES, TOPICS

NAMES = {topic.name for topic in TOPICS}
BY_NAME = {role.name: role for role in ROLES}


def allowed(role: Role, operation: str) -> set[str]:
    return {
        name
        for grant in grants(role)
        if grant.resource == "topic" and operation in grant.operations
        for name in grant.names
    }


def test_every_role_works_on_topics_that_exist() -> None:
    for role in ROLES:
        for topics in (role.reads, role.writes, role.creates, role.describes, role.checks):
            assert set(topics) <= NAMES


def test_only_the_admin_creates_and_only_the_engine_writes_answers() -> None:
    assert {role.name for role in ROLES if allowed(role, "Create")} == {"admin"}
    answers = {topic.name for topic in TOPICS if topic.direction != "in"}
    assert {role.name for role in ROLES if allowed(role, "Write") & answers} == {"engine"}


def test_nobody_asks_and_sees_the_answers_with_one_login() -> None:
    askers = {role.name for role in ROLES if INTENTS in allowed(role, "Write")}
    readers = {role.name for role in ROLES if DECISIONS in allowed(role, "Read")}
    assert askers == {"engine", "producer"}
    assert readers == {"reader"}


def test_only_operators_govern() -> None:
    for topic in (POLICIES, CONTROLS):
        assert {role.name for role in ROLES if topic in allowed(role, "Write")} == {"operator"}


def test_the_engine_reads_all_that_comes_in_and_writes_all_that_goes_out() -> None:
    by_direction = {
        direction: {topic.name for topic in TOPICS if topic.direction == direction}
        for direction in ("in", "out", "internal")
    }
    assert allowed(ENGINE, "Read") == by_direction["in"] | by_direction["internal"]
    assert allowed(ENGINE, "Write") >= by_direction["out"] | by_direction["internal"]
    assert allowed(ENGINE, "DescribeConfigs") == NAMES


@pytest.mark.parametrize("prefix", ["", "d", "staging-"])
def test_no_other_role_can_join_the_engines_group_or_use_its_transactional_ids(prefix: str) -> None:
    group = f"{prefix}{ENGINE_GROUP}"
    for role in ROLES:
        for grant in grants(role, prefix):
            if role is not ENGINE and grant.resource != "topic" and "Read" in grant.operations:
                assert not any(group.startswith(name) for name in grant.names)
            assert role is ENGINE or grant.resource != "transactional-id"
    assert Grant("transactional-id", (f"{group}-",), ("Write",), prefixed=True) in grants(
        ENGINE, prefix
    )


def test_the_command_prints_a_line_that_a_shell_understands_for_each_grant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DECORUM_KAFKA", "broker:9093")
    monkeypatch.setenv("DECORUM_PREFIX", "t-")
    said = CliRunner().invoke(main, ["acls"])
    assert said.exit_code == 0
    assert said.output.splitlines() == commands("broker:9093", "t-")
    words = [shlex.split(line) for line in said.output.splitlines() if not line.startswith("#")]
    assert len(words) == sum(len(grants(role)) for role in ROLES)
    sender = [line for line in words if f"User:{user_name(BY_NAME['sender'], 't-')}" in line]
    assert sender[-1][5:] == [
        *("--add", "--allow-principal", "User:t-decorum-sender", "--operation", "Read"),
        *("--resource-pattern-type", "prefixed", "--group", "t-sender"),
    ]
