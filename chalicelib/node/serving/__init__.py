"""Serving: requests of partners and their responses.

node      one request: routed, authenticated, handled; errors become OCPI envelopes
router    the URLs that exist, their methods, and who may call them
sender    the sender's interface: our lists and single objects, for partners that pull
"""
