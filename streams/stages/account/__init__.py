"""The account stage: may this account act, and how fast? States, queues and sums."""
