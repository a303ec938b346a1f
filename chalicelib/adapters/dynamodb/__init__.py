"""The stores in DynamoDB, a port each, and what they are made of.

table        one table: few calls, plain attributes, our exceptions
items        how an object and the counter of its list are stored
cursors      the date_bounds and cursors of a list, and how much one page carries
objects      ObjectStore
pages        the pages of ObjectStore: two calls each, whatever the offset
partners     PartnerStore
outbox       Outbox
breakers     CircuitBreakerStore
quarantine   Quarantine
commands     CommandStore
pulls        PullStore
events       EventFeed
"""
