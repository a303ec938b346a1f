"""The local runner."""
