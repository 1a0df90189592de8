"""`python -m streams` is `decorum`."""

from streams.cli import main

main(prog_name="decorum")
