"""What travels: events in and out as typed values, and nothing that decides.

Read in this order: `fields` (limits), `envelope`, `intents`, `interactions`, `controls`, `decode`
(bytes in), then `outcomes` and `letters` (bytes out); `keys`, `identity` and `candidate` serve the
stages. The same shapes stand in `schemas/*.schema.json` for producers; a test holds them together.
"""
