"""Runs every benchmark but that of a cold start, which needs a package index: ``make bench``."""

from benchmarks import commands, deliveries, readings, requests

readings.main()
requests.main()
commands.main()
deliveries.main()
