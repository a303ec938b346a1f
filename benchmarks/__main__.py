"""Runs every benchmark: ``make bench``."""

from benchmarks import requests

requests.main()
