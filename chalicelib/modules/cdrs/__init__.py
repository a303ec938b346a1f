"""Charge detail records: what is billed, and never changes. Spec: mod_cdrs.md."""
