"""Exactly-once batches inside Faust: the engine below the stages. Start at `lane.py`.

Why it exists: Faust's agents and tables lose or double events when a worker dies, however they are
set. The lane keeps Faust for membership and takes state, outputs and progress into one Kafka
transaction a batch.
"""
