"""The decisions, pure: standard library and msgspec only, no I/O, no clock, no logging."""
