"""The protocol, pure: no socket, no store, no clock.

reading     bytes to valid objects, in two profiles
types       the spec's DateTime, strings, numbers and enums
parts       objects inside objects, and what changed in them
module      what a module's chapter declares
paging      offset, limit, dates, Link
envelope    the frame of an answer, ours written, theirs read
answer      what a partner answered, as a value
auth        the token in the header
parties     who roams, in which role
countries   alpha-2 and alpha-3
http        a message as a value
errors      what can go wrong, and how it is answered
"""
