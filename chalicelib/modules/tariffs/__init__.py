"""What charging costs. Spec: mod_tariffs.md.

interface   how they are sent and received
objects     Tariff and its parts
"""
