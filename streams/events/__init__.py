"""The messages that come in and go out, as typed values. Nothing here decides.

Reading order, bytes in: `fields` (limits), `envelope`, `intents`, `interactions`, `controls`,
`policies`, then `decode`, `faults` (the sentence of a refusal) and `salvage` (opt-outs in refused
events). Bytes out: `decisions`, `limits`, `dead_letters`. Between the stages: `internal`; `keys`
and `identity` serve both. `schemas/*.schema.json` describes the public messages with the same
limits; a test compares the two.
"""
