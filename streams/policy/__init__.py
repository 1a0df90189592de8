"""The policy file: from a document to the values the core decides by, or to all its faults.

`parse` is the door; `files` reads and checks a document on disk, `publish` writes it to its topic.
The parsed values stand in `core.policy`, and the core knows nothing of this package.
"""
