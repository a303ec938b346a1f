"""The protocol, pure: no socket, no store, no clock.

errors     what can go wrong and how it is answered     envelope   the answer's frame, written and opened
http       a message as a value                         paging     offset, limit, dates, Link
parties    who roams, in which role                     types      the spec's DateTime, strings, numbers and enums
reading    bytes to valid objects, two profiles         module     what a module's chapter declares
changes    what differs between two states              handshake  lives with its module, modules/credentials
"""
