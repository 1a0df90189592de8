from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from deploy.kubernetes import generate
from streams import __version__
from streams.admin.acls import ROLES, user_name
from streams.runtime.app import CLOSE_PATIENCE_S, HANDOVER_PATIENCE_S, LEAVE_PATIENCE_S
from streams.runtime.units import unit_count
from streams.settings import Settings
from streams.topics import TOPICS
from tests.support.paths import ROOT
from tests.system.deploy.custom import SCHEMAS
from tests.system.deploy.files import (
    KUBERNETES,
    kustomizations,
    resource,
    resources,
    settings_file,
    settings_named,
)

if TYPE_CHECKING:
    from pathlib import Path

KUBERNETES_VERSION = "1.34"
SPARE_S = 5
"""For the process to hear of it, and to end."""
PARTITIONS = Settings.model_fields["partitions"].default
ALL = list(resources())
SETTINGS = {f"DECORUM_{name}".upper() for name in Settings.model_fields} | {"DECORUM_SETTINGS"}


def refuse_unknown(one: dict[str, Any]) -> None:
    """Raise unless the resource is what its API accepts, without a field too many."""
    schema = SCHEMAS.get((one["apiVersion"], one["kind"]))
    if schema is None:
        kubernetes_validate.validate(one, KUBERNETES_VERSION, strict=True)
    else:
        jsonschema.validate(one, schema)


def worker() -> dict[str, Any]:
    pod: dict[str, Any] = resource("StatefulSet", "decorum")["spec"]["template"]
    return pod


def container() -> dict[str, Any]:
    (one,) = worker()["spec"]["containers"]
    found: dict[str, Any] = one
    return found


@pytest.mark.parametrize("one", [r for _, r in ALL], ids=[name for name, _ in ALL])
def test_every_resource_is_what_its_api_accepts(one: dict[str, Any]) -> None:
    refuse_unknown(one)


def test_a_misspelt_field_is_seen() -> None:
    for kind, name in (("StatefulSet", "decorum"), ("KafkaTopic", "decisions")):
        one = resource(kind, name)
        one["spec"]["partitons"] = 3
        with pytest.raises((kubernetes_validate.ValidationError, jsonschema.ValidationError)):
            refuse_unknown(one)


def test_each_file_belongs_to_one_kustomization_and_each_resource_stands_once() -> None:
    listed = [d / file for d, k in kustomizations().items() for file in k["resources"]]
    files = [path for path in listed if path.suffix]
    on_disk = {p for p in KUBERNETES.rglob("*.yaml") if p.name != "kustomization.yaml"}
    assert Counter(files) == Counter(on_disk)
    assert all(path.exists() for path in listed)
    counted = Counter((r["kind"], r["metadata"]["name"]) for _, r in ALL)
    assert set(counted.values()) == {1}


def test_keda_is_off_by_default() -> None:
    kinds = {r["kind"] for name, r in ALL if not name.startswith("overlays/keda/")}
    assert kinds.isdisjoint({"ScaledObject", "TriggerAuthentication"})


UNDERSTOOD = {"apiVersion", "kind", "labels", "resources", "configMapGenerator", "images"}


@pytest.mark.parametrize("directory", list(kustomizations()), ids=lambda d: d.name)
def test_a_kustomization_says_what_is_there(directory: Path) -> None:
    """A closed set of fields, and every file and directory they name exists."""
    said = kustomizations()[directory]
    assert set(said) <= UNDERSTOOD
    assert said["kind"] == "Kustomization"
    named = [env for made in said.get("configMapGenerator", ()) for env in made["envs"]]
    assert all((directory / name).exists() for name in [*said["resources"], *named])
    tags = [image["newTag"] for image in said.get("images", ())]
    assert tags in ([], [__version__])


def test_topics_and_users_are_made_from_their_sources() -> None:
    """If this fails: `python -m deploy.kubernetes.generate`."""
    strimzi = KUBERNETES / "strimzi"
    assert (strimzi / "topics.yaml").read_text() == generate.topics("kafka", "", PARTITIONS)
    assert (strimzi / "users.yaml").read_text() == generate.users("kafka", "")
    document = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
    assert generate.table() in document


def test_every_topic_has_its_resource_with_the_same_configuration() -> None:
    found = {r["spec"]["topicName"]: r["spec"] for _, r in ALL if r["kind"] == "KafkaTopic"}
    assert set(found) == {topic.name for topic in TOPICS}
    for topic in TOPICS:
        assert found[topic.name]["config"] == topic.configuration()
        assert found[topic.name]["partitions"] == topic.partition_count(PARTITIONS)


def test_every_role_has_its_user() -> None:
    found = {r["metadata"]["name"] for _, r in ALL if r["kind"] == "KafkaUser"}
    assert found == {user_name(role) for role in ROLES}


def test_another_environment_gets_resources_that_are_accepted_too() -> None:
    made = generate.topics("kafka", "Stage_1.", 24) + generate.users("kafka", "Stage_1.")
    loaded = list(yaml.safe_load_all(made))
    for one in loaded:
        refuse_unknown(one)
    assert loaded[0]["metadata"]["name"] == "stage-1.outbound-intents"
    assert loaded[0]["spec"]["topicName"] == "Stage_1.outbound-intents"
    assert loaded[0]["spec"]["partitions"] == 24


def test_every_setting_that_is_named_exists() -> None:
    named = settings_named()
    assert "DECORUM_INSTANCE" in named["deploy/kubernetes/base/worker.yaml"]
    unknown = {file: sorted(words - SETTINGS) for file, words in named.items()}
    assert {file: words for file, words in unknown.items() if words} == {}


def test_the_settings_of_a_worker_are_accepted() -> None:
    values = settings_file(KUBERNETES / "base" / "settings.env")
    values |= {one["name"]: one.get("value", "a-secret-of-20-chars") for one in container()["env"]}
    values["DECORUM_HTTP"] = values["DECORUM_HTTP"].replace("$(POD_IP)", "10.1.2.3")
    given = {
        name.removeprefix("DECORUM_").lower(): value
        for name, value in values.items()
        if name not in {"POD_IP", "DECORUM_SSL_CA"}
    }
    settings = Settings.model_validate(given)
    assert settings.sasl_mechanism == "SCRAM-SHA-512"
    assert settings.ssl_enabled
    (mount,) = [m for m in container()["volumeMounts"] if m["name"] == "kafka-ca"]
    assert values["DECORUM_SSL_CA"] == f"{mount['mountPath']}/ca.crt"


def test_a_service_puts_no_settings_into_a_worker() -> None:
    """The Service decorum would add its address under our prefix: an unknown setting is refused."""
    assert worker()["spec"]["enableServiceLinks"] is False


def test_a_worker_is_known_by_its_pods_name() -> None:
    (instance,) = [one for one in container()["env"] if one["name"] == "DECORUM_INSTANCE"]
    assert instance["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_a_worker_may_do_nothing_on_its_machine() -> None:
    """Kubernetes' restricted Pod Security Standard, and a file system that cannot be written."""
    pod, inside = worker()["spec"], container()["securityContext"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert inside == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    writable = {m["mountPath"] for m in container()["volumeMounts"] if not m.get("readOnly")}
    assert writable == {"/tmp"}  # noqa: S108


def test_probes_ask_what_a_worker_answers() -> None:
    asked = {name: container()[f"{name}Probe"]["httpGet"] for name in ("liveness", "readiness")}
    assert asked["liveness"] == {"path": "/livez", "port": "http"}
    assert asked["readiness"] == {"path": "/readyz", "port": "http"}
    assert container()["resources"]["requests"].keys() == {"cpu", "memory"}


def test_a_worker_is_given_the_time_that_a_handover_may_take() -> None:
    """Killed before, it would leave its partitions to nobody for the length of a session."""
    needed = HANDOVER_PATIENCE_S + CLOSE_PATIENCE_S + LEAVE_PATIENCE_S
    assert worker()["spec"]["terminationGracePeriodSeconds"] >= needed + SPARE_S


def test_workers_are_replaced_one_by_one_when_the_one_before_is_ready() -> None:
    spec = resource("StatefulSet", "decorum")["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate"}
    assert spec["minReadySeconds"] > container()["readinessProbe"]["periodSeconds"]
    assert resource("PodDisruptionBudget", "decorum")["spec"]["maxUnavailable"] == 1


def test_what_selects_the_workers_finds_them() -> None:
    labels = worker()["metadata"]["labels"].items()
    selectors = [
        resource("StatefulSet", "decorum")["spec"]["selector"]["matchLabels"],
        resource("Service", "decorum")["spec"]["selector"],
        resource("PodDisruptionBudget", "decorum")["spec"]["selector"]["matchLabels"],
        resource("NetworkPolicy", "decorum")["spec"]["podSelector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels


def test_keda_scales_between_two_workers_and_one_for_each_unit_of_a_stage_that_has_work() -> None:
    scaled = resource("ScaledObject", "decorum")["spec"]
    changelogs = [topic for topic in TOPICS if topic.name.endswith("-state")]
    units = [unit_count(topic.partition_count(PARTITIONS)) for topic in changelogs]
    most = sum(units) - 1  # all but the one of the rules
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (2, most)
    asked = {trigger["metadata"]["topic"] for trigger in scaled["triggers"]}
    acls = resource("KafkaUser", "decorum-monitor")["spec"]["authorization"]["acls"]
    assert asked <= {acl["resource"]["name"] for acl in acls}
