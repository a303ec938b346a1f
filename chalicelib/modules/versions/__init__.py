"""Which versions of OCPI we speak, and where their endpoints are. Spec: version_information_endpoint.md.

interface   the versions and details endpoints
"""
