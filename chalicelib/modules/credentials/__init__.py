"""Registration: how two platforms exchange tokens and endpoints. Spec: credentials.md.

interface      the credentials endpoint
registration   invite, register, rotate tokens, unregister: as responder and as initiator
exchange       our credentials object, and a partner updated with theirs
handshake      the requests of a registration, in their order
objects        Credentials, Version, Endpoint
"""
