"""Charging sessions while they last. Spec: mod_sessions.md.

interface   how they are sent and received
objects     Session
lifecycle   final states, and how an update is applied to the session that we hold
completion  a CDR completes its session
"""
