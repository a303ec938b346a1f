"""The protocol, pure: no socket, no store, no clock.

errors      what can go wrong, and how it is answered    envelope   the answer's frame, ours written, theirs opened
http        a message as a value                         paging     offset, limit, dates, Link
auth        the token in the header                      types      the spec's DateTime, strings, numbers and enums
parties     who roams, in which role                     reading    bytes to valid objects, in two profiles
module      what a module's chapter declares             parts      objects inside objects, and what changed in them
countries   alpha-2 and alpha-3
"""
