"""The demo: a compressed day through the real topics, and an audit of every message at its end."""
