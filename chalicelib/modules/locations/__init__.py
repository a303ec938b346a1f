"""Places to charge, in three depths. Spec: mod_locations.md.

interface   how they are reached
objects     Location, EVSE, Connector
view        what drivers may see of a location
"""
