"""Calls to partners over HTTPS.

web           the client: bounded in time and size, redirects and second attempts
addresses     which URLs and network addresses may be called
connections   urllib3 connections that keep to both
limits        what a call may take
"""
