"""The account stage: may this account act, and how fast? Its books, its queues, and their sums."""
