"""What Strimzi's and KEDA's operators accept of a resource, as far as we use it.

Written by hand after the definitions of Strimzi 1.2.0 (kafka.strimzi.io/v1) and KEDA 2.20.2
(keda.sh/v1alpha1), and closed: a field that stands here has been looked up, any other fails.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "string", "minLength": 1}
COUNT = {"type": "integer", "minimum": 1}


def record(required: dict[str, Any], **optional: Any) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
        "additionalProperties": False,
    }


def resource(api: str, kind: str, labels: dict[str, Any] | None, spec: dict[str, Any]) -> Any:
    name = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
    some = {"type": "object", "additionalProperties": {"type": "string"}}
    metadata = record({"name": name, "labels": labels}) if labels else record({"name": name})
    metadata["properties"].setdefault("labels", some)
    return record(
        {
            "apiVersion": {"const": api},
            "kind": {"const": kind},
            "metadata": metadata,
            "spec": spec,
        }
    )


def listed(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "minItems": 1, "items": items}


# Without it no operator feels responsible.
STRIMZI_LABELS = {
    "type": "object",
    "required": ["strimzi.io/cluster"],
    "additionalProperties": {"type": "string"},
}
OPERATIONS = [
    *("Read", "Write", "Create", "Delete", "Alter", "Describe", "ClusterAction", "AlterConfigs"),
    *("DescribeConfigs", "IdempotentWrite", "All"),
]
ACL = record(
    {
        "resource": record(
            {"type": {"enum": ["topic", "group", "cluster", "transactionalId"]}},
            name=TEXT,
            patternType={"enum": ["literal", "prefix"]},
        ),
        "operations": listed({"enum": OPERATIONS}),
    },
    type={"enum": ["allow", "deny"]},
    host=TEXT,
)
TOPIC = record(
    {"topicName": {"type": "string", "pattern": r"^[A-Za-z0-9._-]{1,249}$"}},
    partitions=COUNT,
    replicas=COUNT,
    config={"type": "object", "additionalProperties": {"type": "string"}},
)
USER = record(
    {
        "authentication": record({"type": {"enum": ["scram-sha-512", "tls", "tls-external"]}}),
        "authorization": record({"type": {"const": "simple"}, "acls": listed(ACL)}),
    }
)
POLICY = record({"type": {"enum": ["Pods", "Percent"]}, "value": COUNT, "periodSeconds": COUNT})
SCALING = record({"policies": listed(POLICY)}, stabilizationWindowSeconds=COUNT)
BEHAVIOR = record({}, scaleUp=SCALING, scaleDown=SCALING)
TRIGGER = record(
    {
        "type": {"const": "kafka"},
        "metadata": record(
            {"bootstrapServers": TEXT, "consumerGroup": TEXT},
            topic=TEXT,
            lagThreshold={"type": "string", "pattern": r"^\d+$"},
            offsetResetPolicy={"enum": ["latest", "earliest"]},
            sasl={"enum": ["none", "plaintext", "scram_sha256", "scram_sha512"]},
            tls={"enum": ["enable", "disable"]},
        ),
    },
    authenticationRef=record({"name": TEXT}),
)
SCALED_OBJECT = record(
    {
        "scaleTargetRef": record({"name": TEXT}, apiVersion=TEXT, kind=TEXT),
        "triggers": listed(TRIGGER),
    },
    pollingInterval=COUNT,
    minReplicaCount=COUNT,
    maxReplicaCount=COUNT,
    advanced=record({}, horizontalPodAutoscalerConfig=record({"behavior": BEHAVIOR})),
)
REFERENCE = listed(record({"parameter": TEXT, "name": TEXT, "key": TEXT}))
TRIGGER_AUTHENTICATION = record({}, secretTargetRef=REFERENCE, configMapTargetRef=REFERENCE)

STRIMZI, KEDA = "kafka.strimzi.io/v1", "keda.sh/v1alpha1"
SCHEMAS: dict[tuple[str, str], Any] = {
    (STRIMZI, "KafkaTopic"): resource(STRIMZI, "KafkaTopic", STRIMZI_LABELS, TOPIC),
    (STRIMZI, "KafkaUser"): resource(STRIMZI, "KafkaUser", STRIMZI_LABELS, USER),
    (KEDA, "ScaledObject"): resource(KEDA, "ScaledObject", None, SCALED_OBJECT),
    (KEDA, "TriggerAuthentication"): resource(
        KEDA, "TriggerAuthentication", None, TRIGGER_AUTHENTICATION
    ),
}
