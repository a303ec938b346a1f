"""Registration: how two platforms exchange tokens and endpoints. Spec: credentials.md.

interface      the credentials endpoint
registration   the life of a connection, as responder and as initiator
introduction   our credentials, and what theirs make of a partner
handshake      the conversation of a registration
objects        Credentials, Version, Endpoint
"""
