"""The protocol itself, without I/O: no network, no store, no clock.

reading     bytes to valid objects, in the strict or the lenient profile
types       the spec's DateTime, strings, numbers and enums
parts       parts of an object: find, replace, merge a patch, compare
module      what each module declares
paging      offset, limit, dates, Link
envelope    the envelope of an answer: data, status_code, timestamp
answer      what a partner answered, its envelope read once
auth        the token in the Authorization header
parties     party and role
countries   country codes, alpha-2 and alpha-3
http        HTTP request and response as values
errors      every error, and how it is answered
"""
