"""Charge detail records: what is billed, and never changes. Spec: mod_cdrs.md.

interface   how they are sent and received
objects     CDR and its parts
receiver    the receiver's endpoint: partners post CDRs to it
received    stores partners' CDRs, posted or pulled
"""
