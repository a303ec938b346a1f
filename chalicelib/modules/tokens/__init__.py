"""Who may charge, and asking in real time whether they may. Spec: mod_tokens.md.

interface   how they are reached
objects     Token, AuthorizationInfo
authorize   they ask us about a token of ours
asking      we ask them about a token of theirs
owners      whose driver a session or a CDR is about
"""
