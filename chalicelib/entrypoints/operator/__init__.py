"""The host's own API under /operator.

api            lets a key's bearer in, finds the operation, answers
operation      what an operation is, what it is asked and what it replies
partners       invite, register, look, change, suspend, rotate, end
objects        own objects put in, received ones read
charging       who may charge, rulings about tokens, CDRs
commands       send one, follow it, answer one for a charge point
pulls          crawl a list now, and see how far that is
outbox         what partners still have to be told
quarantine     what partners sent and we did not take
events         the feed of events
openapi        the API's description, generated from the operations
event_schema   an event as JSON Schema
"""
