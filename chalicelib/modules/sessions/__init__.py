"""Charging sessions while they last. Spec: mod_sessions.md.

interface   how they are reached
objects     Session
lifecycle   what an update means to what we know
ending      a CDR ends its session
"""
