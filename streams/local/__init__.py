"""A real Kafka on this machine, and the demo that runs on it."""
