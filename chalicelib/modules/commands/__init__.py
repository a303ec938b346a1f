"""Asking a charge point to do something, and hearing what came of it. Spec: mod_commands.md."""
