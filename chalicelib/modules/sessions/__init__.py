"""Charging sessions while they last. Spec: mod_sessions.md."""
