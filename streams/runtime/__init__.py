"""Exactly-once batches inside Faust: the engine below the stages. Start at `app.py`.

Why it exists: Faust's agents and tables lose or double events when a worker dies, whatever their
settings. So Faust only keeps the group membership, and the runtime writes state, outputs and
progress of a batch in one Kafka transaction.
"""
