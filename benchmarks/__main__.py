"""Runs every benchmark: ``make bench``."""

from benchmarks import commands, requests

requests.main()
commands.main()
