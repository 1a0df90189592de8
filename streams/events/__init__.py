"""What travels: events in and out as typed values, and nothing that decides.

Read in this order: `fields` (limits), `envelope`, `intents`, `interactions`, `controls`, `decode`
(bytes in), then `outcomes` and `letters` (bytes out); `keys`, `identity` and `asks`
serve the stages. What producers send stands in `schemas/*.schema.json` in their own language, with
the same limits; a test holds the two together.
"""
