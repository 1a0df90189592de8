from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.core.kinds import Kind, mask_of, names_in
from streams.core.local_calendar import DAY_MS
from streams.core.policy import DAYS_IN_MONTH, FOREVER, Calendar, Policy, Scope, Weights, Window
from streams.policy.faults import SHOWN
from streams.policy.files import packaged, read_document
from streams.policy.notes import notes
from streams.policy.parse import parse_policy
from streams.policy.schema import policy_schema
from streams.policy.values import HOUR_MS, MINUTE_MS
from streams.resources import schema_path

if TYPE_CHECKING:
    from pathlib import Path

SAMPLES: Final = schema_path("samples", "policies")
PROFILES: Final = sorted(path.stem for path in schema_path("policies").glob("*.yaml"))
VALID: Final = sorted((SAMPLES / "valid").glob("*.yaml"))
INVALID: Final = sorted((SAMPLES / "invalid").glob("*.yaml"))
SCHEMA: Final = jsonschema.Draft202012Validator(
    json.loads(schema_path("policy.schema.json").read_text("utf-8")),
)
LEAST: Final = {"policy": "sample", "version": 1, "enterprise": "acme"}
EXAMPLE: Final = packaged("wecom")[0]
MARKETING: Final = mask_of([Kind.DIRECT, Kind.BROADCAST, Kind.MOMENT])


def parsed(document: object) -> Policy:
    policy, faults = parse_policy(document)
    assert not faults
    assert policy is not None
    return policy


def paths(document: object, **options: int) -> list[str]:
    policy, faults = parse_policy(document, **options)
    assert policy is None
    return [fault.path for fault in faults]


def name_of(path: Path) -> str:
    return path.stem


def test_the_example_says_what_it_says() -> None:
    policy = packaged("wecom")[1]
    assert (policy.name, policy.version, policy.enterprise) == ("wecom", 1, "*")
    assert (policy.effective_at_ms, policy.time_zone) == (None, "Asia/Shanghai")
    assert (policy.unknown_zone_denies, policy.remember_ms, policy.max_held) == (
        False,
        48 * HOUR_MS,
        20,
    )
    assert [window.id for window in policy.windows] == [
        "broadcast-day",
        "member-day",
        "moment-day",
        "direct-24h",
        "direct-7d",
        "marketing-24h",
        "marketing-7d",
        "transactional",
        "add-7d",
        "add-90d",
        "transfer-90d",
    ]
    assert policy.windows[1] == Window(
        id="member-day",
        kinds=mask_of([Kind.BROADCAST]),
        scope=Scope.ACCOUNT,
        limit=1,
        calendar=Calendar.DAY,
    )
    assert policy.windows[5] == Window(
        id="marketing-24h",
        kinds=mask_of([Kind.DIRECT, Kind.BROADCAST]),
        scope=Scope.ENTERPRISE,
        limit=2,
        rolling_ms=24 * HOUR_MS,
        min_gap_ms=4 * HOUR_MS,
    )


def test_the_sections_of_the_example() -> None:
    policy = packaged("wecom")[1]
    assert policy.silence is not None
    assert policy.silence.kinds == MARKETING
    assert (policy.silence.first_ms, policy.silence.longest_ms) == (5 * DAY_MS, 180 * DAY_MS)
    assert policy.quiet_hours is not None
    assert (policy.quiet_hours.from_ms, policy.quiet_hours.to_ms) == (
        21 * HOUR_MS + 30 * MINUTE_MS,
        8 * HOUR_MS + 30 * MINUTE_MS,
    )
    assert (policy.ask_first, policy.friends_required) == (0, False)
    assert policy.suppression is not None
    assert (policy.suppression.account_ms, policy.suppression.enterprise_ms) == (
        FOREVER,
        30 * DAY_MS,
    )
    assert policy.holdout is not None
    assert policy.holdout.share == 0.0
    assert policy.brake is not None
    assert policy.brake.pauses_ms == (3 * HOUR_MS, 6 * HOUR_MS, FOREVER)
    assert policy.canary is not None
    assert policy.canary.steps == (0.01, 0.05, 0.2, 1.0)


def test_the_accounts_of_the_example() -> None:
    policy = packaged("wecom")[1]
    assert policy.reputation is not None
    red, green = policy.reputation.red, policy.reputation.green
    assert (red.share, red.over_ms, red.minimum, red.confidence) == (0.003, 7 * DAY_MS, 200, 0.975)
    assert (green.share, green.over_ms, green.minimum) == (0.001, 28 * DAY_MS, 1000)
    assert policy.ceilings is not None
    assert (policy.ceilings.relations.enterprise, policy.ceilings.daily_adds.enterprise) == (
        50_000,
        None,
    )
    assert (policy.ceilings.rise_used, policy.ceilings.idle_used) == (0.5, 0.25)
    assert (policy.ceilings.fall_factor, policy.ceilings.fall_off_after) == (0.5, 3)
    assert policy.pacing is not None
    assert (policy.pacing.green_per_s, policy.pacing.burst_ms) == (10, 30_000)


def test_defaults_are_the_documents_own() -> None:
    policy = parsed(LEAST)
    assert (policy.time_zone, policy.unknown_zone_denies) == ("UTC", False)
    assert (policy.remember_ms, policy.max_held, policy.effective_at_ms) == (48 * HOUR_MS, 20, None)
    assert policy.validity_ms == packaged("wecom")[1].validity_ms
    assert policy.deadline_ms == packaged("wecom")[1].deadline_ms
    assert policy.validity_ms[Kind.TRANSACTIONAL] == 10 * MINUTE_MS
    assert policy.deadline_ms[Kind.BROADCAST] == 7 * DAY_MS


@pytest.mark.rule("R9.2")
def test_what_is_not_written_is_not_governed() -> None:
    policy = parsed(LEAST)
    sections = ("reply", "silence", "quiet_hours", "ask_first", "suppression", "friends_required")
    accounts = ("holdout", "reputation", "ceilings", "brake", "pacing", "canary")
    assert {getattr(policy, section) for section in sections + accounts} == {None}
    assert policy.windows == ()


def test_a_written_deadline_section_brings_its_own_default() -> None:
    policy = parsed(LEAST | {"deadline": {"default": "1h", "moment": "2h"}})
    assert policy.deadline_ms[Kind.BROADCAST] == HOUR_MS
    assert policy.deadline_ms[Kind.MOMENT] == 2 * HOUR_MS


def test_weights_left_out_are_the_defaults() -> None:
    document = packaged("wecom")[0]
    document["reputation"] = dict(document["reputation"])
    del document["reputation"]["weights"]
    policy = parsed(document)
    assert policy.reputation is not None
    assert policy.reputation.weights == Weights(complaint=1, block=1, opt_out=0.5)


def test_days_in_month_is_a_limit_of_its_own() -> None:
    policy = packaged("wecom-month")[1]
    assert policy.windows[0].limit == DAYS_IN_MONTH
    assert policy.windows[0].calendar is Calendar.MONTH


@pytest.mark.parametrize(
    ("profile", "broadcasts", "moments", "marketing"),
    [
        ("wecom", (1, Calendar.DAY), 3, 6),
        ("wecom-week", (7, Calendar.WEEK), 3, 10),
        ("wecom-month", (DAYS_IN_MONTH, Calendar.MONTH), 3, 10),
        ("wecom-2021", (4, Calendar.MONTH), 1, 6),
    ],
)
def test_profiles_differ_in_what_broadcasts_and_moments_they_allow_only(
    profile: str, broadcasts: tuple[int, Calendar], moments: int, marketing: int
) -> None:
    policy, wecom = packaged(profile)[1], packaged("wecom")[1]
    first, third = policy.windows[0], policy.windows[2]
    assert policy.name == profile
    assert ((first.limit, first.calendar), third.limit) == (broadcasts, moments)
    assert policy.windows[6] == replace(wecom.windows[6], limit=marketing)
    others = [1, 3, 4, 5, *range(7, len(wecom.windows))]
    assert [policy.windows[n] for n in others] == [wecom.windows[n] for n in others]
    assert {
        name for name in Policy.__struct_fields__ if getattr(policy, name) != getattr(wecom, name)
    } <= {
        "name",
        "windows",
    }


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_pass_parser_and_schema(profile: str) -> None:
    document, policy = packaged(profile)
    assert list(SCHEMA.iter_errors(document)) == []
    assert notes(policy) == []


@pytest.mark.rule("R9.1")
@pytest.mark.parametrize("sample", VALID, ids=name_of)
def test_valid_samples_pass_parser_and_schema(sample: Path) -> None:
    document = read_document(sample)
    assert list(SCHEMA.iter_errors(document)) == []
    parsed(document)


@pytest.mark.rule("R9.1")
@pytest.mark.parametrize("sample", INVALID, ids=name_of)
def test_invalid_samples_name_the_fault_they_are_made_for(sample: Path) -> None:
    expected = sample.read_text("utf-8").splitlines()[0].removeprefix("# expect:").strip()
    assert paths(read_document(sample)) == [expected]


@pytest.mark.rule("R9.1")
@pytest.mark.parametrize("sample", INVALID, ids=name_of)
def test_the_schema_refuses_all_but_what_only_the_parser_knows(sample: Path) -> None:
    only_meaning = "# only the parser knows" in sample.read_text("utf-8").splitlines()[1]
    assert SCHEMA.is_valid(read_document(sample)) is only_meaning


def test_the_schema_is_one_and_is_what_the_models_print() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA.schema)
    assert policy_schema() == SCHEMA.schema, (
        "python -m streams.policy.schema > schemas/policy.schema.json"
    )


@pytest.mark.rule("R9.1")
def test_all_faults_are_told_at_once() -> None:
    document = deepcopy(packaged("wecom")[0])
    document["windwos"] = []
    document["version"] = True
    document["groups"]["marketing"] = ["Direct"]
    document["windows"][2]["limit"] = 0
    document["windows"][9]["rolling"] = "90days"
    document["quiet_hours"]["from"] = 1290
    document["brake"]["pauses"][2] = False
    del document["canary"]["hold"]
    assert paths(document) == [
        "windwos",
        "version",
        "groups.marketing[0]",
        "windows[2].limit",
        "windows[9].rolling",
        "quiet_hours.from",
        "brake.pauses[2]",
        "canary.hold",
    ]


RULE: Final = {"id": "a", "kinds": ["direct"], "scope": "account", "limit": 1, "rolling": "7d"}


@pytest.mark.rule("R9.1")
@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"reply": None}, ["reply: must be a mapping of keys, not nothing"]),
        ({"groups": []}, ["groups: must be a mapping of keys, not a list"]),
        ({"windows": {}}, ["windows: must be a list, not a mapping"]),
        ({"windows": [[]]}, ["windows[0]: must be a mapping of keys, not a list"]),
        (
            {"windows": [RULE | {"limit": None}]},
            ["windows[0].limit: nothing is not a whole number; or `days_in_month`"],
        ),
        (
            {"windows": [RULE | {"kinds": []}]},
            ["windows[0].kinds: a list of 0 is too short; the least is 1"],
        ),
        ({"windows": [RULE] * 65}, ["windows: a list of 65 is too long; the most is 64"]),
        (
            {"friends": {"requierd": True}},
            [
                "friends.requierd: unknown key; did you mean `required`?",
                "friends.required: is missing",
            ],
        ),
        ({1: 2}, ["`1`: unknown key"]),
        ({"": 2}, ['"": unknown key']),
        ({"[key]": 2}, ["[key]: unknown key"]),
        (
            {"groups": {1: ["direct"]}},
            ["groups.`1`: `1` is not a string; put it in quotes"],
        ),
        (
            {"groups": {"direct": ["direct", "direct"]}},
            [
                "groups.direct: is the name of a kind; a group needs a name of its own",
                'groups.direct[1]: "direct" is named twice',
            ],
        ),
    ],
)
def test_what_is_said_of_a_wrong_shape(section: dict[Any, Any], told: list[str]) -> None:
    assert [str(fault) for fault in parse_policy(LEAST | section)[1]] == told


def test_a_long_name_of_the_documents_own_is_cut_once_however_deep_it_stands() -> None:
    (path,) = paths(LEAST | {"groups": {"a" * 64: ["direct", "direct"]}})
    assert path == f"groups.{'a' * SHOWN}…[1]"


@pytest.mark.rule("R9.4")
@pytest.mark.parametrize(("version", "refused"), [(6, True), (7, True), (8, False)])
def test_a_version_must_be_above_the_one_in_force(version: int, refused: bool) -> None:  # noqa: FBT001
    policy, faults = parse_policy(LEAST | {"version": version}, in_force=7)
    assert [fault.path for fault in faults] == ["version"] * refused
    assert (policy is None) is refused


@pytest.mark.parametrize("left_out", ["policy", "version", "enterprise"])
def test_three_keys_are_never_left_out(left_out: str) -> None:
    assert paths({key: value for key, value in LEAST.items() if key != left_out}) == [left_out]


def sections_of_the_example() -> list[tuple[str, ...]]:
    """The path of every key that has no default inside a section of the packaged example."""
    document = packaged("wecom")[0]
    found: list[tuple[str, ...]] = []

    def walk(value: object, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                found.append((*path, key))
                walk(inner, (*path, key))

    for name, section in document.items():
        if name not in ("validity", "groups"):
            walk(section, (name,))
    with_default = {("deadline", "broadcast")}
    return [p for p in found if p not in with_default and p[:2] != ("reputation", "weights")]


@pytest.mark.parametrize("path", sections_of_the_example(), ids=".".join)
def test_inside_a_section_nothing_else_is_left_out(path: tuple[str, ...]) -> None:
    document = deepcopy(packaged("wecom")[0])
    inner: Any = document
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    assert paths(document) == [".".join(path)]


def test_a_broken_rule_hides_no_double_name_and_no_covered_rule() -> None:
    rule = {"id": "a", "kinds": ["direct"], "scope": "account", "limit": 1, "rolling": "7d"}
    rules = [rule | {"limit": 0}, rule, rule | {"id": "b", "rolling": "1d"}]
    assert paths(LEAST | {"windows": rules}) == ["windows[1].id", "windows[0].limit", "windows[2]"]


def test_notes_name_every_section_and_kind_not_governed() -> None:
    told = notes(parsed(LEAST))
    sections = ["reply", "silence", "quiet_hours", "consent", "suppression", "friends", "holdout"]
    sections += ["reputation", "ceilings", "brake", "pacing", "canary"]
    assert [line.split(":")[0] for line in told if "not written" in line] == sections
    unlimited = [line.removeprefix("windows: no limit for ") for line in told[len(sections) :]]
    assert unlimited == [name for name in names_in(~0) if name != "reply"]


def test_notes_name_kinds_that_pass_what_lists_them() -> None:
    kinds = ["direct", "reply", "transactional"]
    quiet = {"kinds": kinds, "from": "21:00", "to": "08:00"}
    told = notes(parsed(LEAST | {"quiet_hours": quiet, "consent": {"ask_first": kinds}}))
    assert [line for line in told if "passes" in line] == [
        "quiet_hours: reply passes it always",
        "quiet_hours: transactional passes it always",
        "consent: reply passes it always",
    ]


def test_notes_do_not_take_a_shadow_for_a_limit() -> None:
    rule = {"id": "a", "kinds": ["direct"], "scope": "account", "limit": 1, "rolling": "7d"}
    assert "windows: no limit for direct" not in notes(parsed(LEAST | {"windows": [rule]}))
    shadow = parsed(LEAST | {"windows": [rule | {"shadow": True}]})
    assert "windows: no limit for direct" in notes(shadow)


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_document_raises(document: object) -> None:
    policy, faults = parse_policy(document)
    assert (policy is None) is bool(faults)


@settings(max_examples=300)
@given(st.data())
def test_no_change_of_a_good_document_raises(data: st.DataObject) -> None:
    document = deepcopy(EXAMPLE)
    inner: Any = document
    while True:
        steps = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        step = data.draw(st.sampled_from(steps))
        if isinstance(inner[step], dict | list) and inner[step] and data.draw(st.booleans()):
            inner = inner[step]
            continue
        inner[step] = data.draw(JSON)
        break
    policy, faults = parse_policy(document)
    assert (policy is None) is bool(faults)
    # Whatever the schema refuses, the parser refuses too: it is the stricter of the two.
    assert SCHEMA.is_valid(document) or faults
