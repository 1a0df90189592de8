from __future__ import annotations

import re
from typing import Any

import compose_spec
import pytest
import yaml

from streams import __version__
from streams.local.jars import POM
from streams.runtime.app import CLOSE_PATIENCE_S, HANDOVER_PATIENCE_S, LEAVE_PATIENCE_S
from streams.settings import Settings
from tests.system.deploy.files import DEPLOY

TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
WORKERS = {name: one for name, one in SERVICES.items() if one.get("command") == ["worker"]}


def accepted(compose: dict[str, Any]) -> None:
    """Raise ValueError unless the compose specification allows it, field by field."""
    compose_spec.PyCompose.from_yaml(yaml.safe_dump(compose))


def test_it_follows_the_compose_specification() -> None:
    accepted(COMPOSE)


def test_a_misspelt_field_is_seen() -> None:
    wrong = yaml.safe_load(TEXT)
    wrong["services"]["kafka"]["comand"] = ["x"]
    with pytest.raises(ValueError, match="comand"):
        accepted(wrong)


def test_every_port_is_this_machines_alone() -> None:
    ports = [port for one in SERVICES.values() for port in one.get("ports", [])]
    assert ports
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []


def test_every_image_has_a_version_and_kafkas_is_the_one_we_test_with() -> None:
    images = {name: one["image"] for name, one in SERVICES.items()}
    assert [i for i in images.values() if not re.search(r":v?\d+\.\d+\.\d+$", i)] == []
    version = re.search(r"<kafka.version>(.+?)<", POM.read_text(encoding="utf-8"))
    assert version
    assert images["kafka"] == f"apache/kafka:{version[1]}"
    assert images["worker-1"] == images["topics"] == f"decorum:{__version__}"


def test_our_own_programs_may_do_nothing_on_their_machine() -> None:
    ours = {**WORKERS, "topics": SERVICES["topics"]}
    for one in ours.values():
        assert one["read_only"] is True
        assert one["cap_drop"] == ["ALL"]
        assert one["security_opt"] == ["no-new-privileges:true"]
        assert [mount.split(":")[0] for mount in one["tmpfs"]] == ["/tmp"]  # noqa: S108


def test_the_workers_settings_are_accepted_and_keep_their_names_apart() -> None:
    assert len(WORKERS) == 2
    for name, one in WORKERS.items():
        values = {key: v for key, v in one["environment"].items() if key != "DECORUM_SETTINGS"}
        given = {key.removeprefix("DECORUM_").lower(): value for key, value in values.items()}
        settings = Settings.model_validate(given)
        assert settings.instance == name
        assert settings.http_address[0] == name
        assert settings.partitions >= len(WORKERS)


def test_the_workers_wait_for_topics_that_were_made_once() -> None:
    assert SERVICES["topics"]["restart"] == "no"
    for one in WORKERS.values():
        waits = one["depends_on"]["topics"]["condition"]
        assert waits == "service_completed_successfully"
    assert SERVICES["topics"]["depends_on"]["kafka"]["condition"] == "service_healthy"


def test_the_workers_are_given_the_time_that_a_handover_may_take() -> None:
    needed = HANDOVER_PATIENCE_S + CLOSE_PATIENCE_S + LEAVE_PATIENCE_S
    for one in WORKERS.values():
        assert int(one["stop_grace_period"].removesuffix("s")) > needed


def test_prometheus_looks_at_every_worker() -> None:
    text = (DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    jobs = yaml.safe_load(text)["scrape_configs"]
    targets = {t for job in jobs for group in job["static_configs"] for t in group["targets"]}
    assert {one["environment"]["DECORUM_HTTP"] for one in WORKERS.values()} <= targets


def test_what_is_mounted_exists() -> None:
    mounts = [mount for one in SERVICES.values() for mount in one.get("volumes", [])]
    sources = [mount.split(":")[0] for mount in mounts]
    files = [source for source in sources if source.startswith("./")]
    assert files
    assert [source for source in files if not (DEPLOY / source).exists()] == []
    assert {source for source in sources if source not in files} == set(COMPOSE["volumes"])


def test_no_secret_stands_in_the_repository() -> None:
    secret = re.compile(r"^\s*[^#\s]*(PASSWORD|SECRET|_KEY)\S*\s*[:=]\s*\S", re.MULTILINE)
    for file in ("compose.yaml", "compose.settings", "kubernetes/base/settings.env"):
        assert secret.search((DEPLOY / file).read_text(encoding="utf-8")) is None, file
