"""The stages: decode, ask the core, collect outputs. No rule lives here."""
