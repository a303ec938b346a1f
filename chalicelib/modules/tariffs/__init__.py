"""What charging costs. Spec: mod_tariffs.md.

interface   how they are reached
objects     Tariff and its parts
"""
