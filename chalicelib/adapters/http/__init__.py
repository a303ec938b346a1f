"""The HTTP client for calls to partners.

web           the client: redirects, resends, decompression
addresses     which URLs and network addresses may be called (protection against SSRF)
connections   urllib3 connections that enforce allowed addresses and time limits
limits        the time and size limits of a call
"""
