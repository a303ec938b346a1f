"""``python -m cli``."""

from cli.main import cli

cli(prog_name="python -m cli")
