"""Decorum: the gate in front of sending.

Intents and interactions come in from Kafka topics, exact stateful stages decide them, and only
approved messages go out.
"""

__version__ = "0.1.0"
