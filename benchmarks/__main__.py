"""Runs every benchmark: ``make bench``."""

from benchmarks import commands, deliveries, readings, requests

readings.main()
requests.main()
commands.main()
deliveries.main()
