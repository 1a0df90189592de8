"""Strimzi's KafkaTopics and KafkaUsers, and the table of roles in the docs, from their sources.

Run `python -m deploy.kubernetes.generate` after a change of `streams/topics.py` or
`streams/admin/acls.py`; a test compares. With a prefix, other partitions or another cluster's name,
the resources of such an environment go to `--out`. Rules of this file: it decides nothing; what a
topic or a role is stands in its source.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from streams.admin.acls import ROLES, Grant, Role, grants, user_name
from streams.settings import Settings
from streams.topics import TOPICS, Topic

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE: Final = Path(__file__).parent
DOCUMENT: Final = HERE.parents[1] / "docs" / "deploy.md"
API: Final = "kafka.strimzi.io/v1"
NOTE: Final = "# Made by `python -m deploy.kubernetes.generate`; a change by hand is lost.\n"
TABLE: Final = re.compile(r"(?<=<!-- roles -->\n).*?(?=<!-- end of roles -->)", re.DOTALL)
RESOURCES: Final = {"topic": "topic", "group": "group", "transactional-id": "transactionalId"}


def topics(cluster: str, prefix: str, partitions: int) -> str:
    """A KafkaTopic for every topic; how often a record is kept is the cluster's own default."""
    return _yaml(_topic(topic, cluster, prefix, partitions) for topic in TOPICS)


def users(cluster: str, prefix: str) -> str:
    """A KafkaUser for every role; the operator makes its password and a Secret of its name."""
    return _yaml(_user(role, cluster, prefix) for role in ROLES)


def table() -> str:
    """The roles as a table in Markdown, without prefix."""
    rows = [f"| {_role(role)} | {'; '.join(map(_words, grants(role)))} |" for role in ROLES]
    return "\n".join(["| role | on the cluster it may |", "|---|---|", *rows, ""])


def _topic(topic: Topic, cluster: str, prefix: str, partitions: int) -> dict[str, Any]:
    name = f"{prefix}{topic.name}"
    spec = {
        "topicName": name,
        "partitions": topic.partition_count(partitions),
        "config": topic.configuration(),
    }
    return _resource("KafkaTopic", name, cluster, spec)


def _user(role: Role, cluster: str, prefix: str) -> dict[str, Any]:
    acls = [acl for grant in grants(role, prefix) for acl in _acls(grant)]
    spec = {
        "authentication": {"type": "scram-sha-512"},
        "authorization": {"type": "simple", "acls": acls},
    }
    return _resource("KafkaUser", user_name(role, prefix), cluster, spec)


def _acls(grant: Grant) -> Iterable[dict[str, Any]]:
    for name in grant.names:
        resource = {
            "type": RESOURCES[grant.resource],
            "name": name,
            "patternType": "prefix" if grant.prefixed else "literal",
        }
        yield {"resource": resource, "operations": list(grant.operations)}


def _resource(kind: str, name: str, cluster: str, spec: dict[str, Any]) -> dict[str, Any]:
    """Kafka's names may hold capitals and underscores, Kubernetes' may not."""
    metadata = {
        "name": name.lower().replace("_", "-"),
        "labels": {"strimzi.io/cluster": cluster, "app.kubernetes.io/name": "decorum"},
    }
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def _yaml(resources: Iterable[dict[str, Any]]) -> str:
    return NOTE + yaml.safe_dump_all(resources, sort_keys=False, explicit_start=True, width=100)


def _role(role: Role) -> str:
    return f"`{user_name(role)}`: {role.purpose}"


def _words(grant: Grant) -> str:
    """`Read` on topics `decisions`, `account-limits`."""
    if grant.resource == "topic" and len(grant.names) == len(TOPICS):
        return f"{', '.join(grant.operations)} on every topic"
    names = list(dict.fromkeys(map(_family, grant.names)))
    if grant.prefixed:
        names = [f"`{name}…`" for name in grant.names]
    many = "s" if len(names) > 1 or "…" in names[0] else ""
    kind = grant.resource.replace("-", " ")
    return f"{', '.join(grant.operations)} on {kind}{many} {', '.join(names)}"


def _family(name: str) -> str:
    """`approved.…` for each of these topics, and `decorum-…`: no role gets only some of them."""
    begin = re.match(r"approved\.|decorum-", name)
    return f"`{begin[0]}…`" if begin else f"`{name}`"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "strimzi")
    parser.add_argument("--cluster", default="kafka", help="the name of Strimzi's Kafka resource")
    parser.add_argument("--prefix", default="", help="DECORUM_PREFIX of the environment")
    default = Settings.model_fields["partitions"].default
    parser.add_argument("--partitions", type=int, default=default, help="DECORUM_PARTITIONS")
    return parser.parse_args()


def main() -> None:
    """Write the files, and the docs' table."""
    asked = _arguments()
    made = topics(asked.cluster, asked.prefix, asked.partitions)
    (asked.out / "topics.yaml").write_text(made, encoding="utf-8")
    (asked.out / "users.yaml").write_text(users(asked.cluster, asked.prefix), encoding="utf-8")
    document = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(TABLE.sub(lambda _: table(), document), encoding="utf-8")


if __name__ == "__main__":
    main()
