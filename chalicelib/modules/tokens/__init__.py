"""Who may charge, and asking in real time whether they may. Spec: mod_tokens.md.

interface          how they are sent and received
objects            Token, AuthorizationInfo
authorize          as an eMSP: the endpoint where CPOs ask about our tokens
driver_authorizer  as a CPO: may a driver charge here, by whitelist or real-time authorization
owners             the eMSP whose driver a session or a CDR is about
"""
