"""Runs every benchmark: ``make bench``."""

from benchmarks import commands, deliveries, requests

requests.main()
commands.main()
deliveries.main()
