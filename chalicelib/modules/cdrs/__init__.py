"""Charge detail records: what is billed, and never changes. Spec: mod_cdrs.md.

interface   how they are reached
objects     CDR and its parts
posting     the endpoint that partners post to
received    what becomes of a CDR, posted or pulled
"""
