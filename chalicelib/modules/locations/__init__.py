"""Places to charge: locations, their EVSEs, their connectors. Spec: mod_locations.md.

interface    how they are sent and received
objects      Location, EVSE, Connector
driver_view  what drivers may see of a location
"""
