"""Policy documents on disk and on their topic: reading, checking, publishing.

The edge around `core.policy_file`: files, YAML and Kafka are here, what a document means is there.
Nothing is published that was not parsed, and what is published is exactly what was parsed.
"""

from __future__ import annotations

