"""The stores on DynamoDB, one class per port, and their common parts.

table        one table: reads, queries, conditional writes, transactions
items        the attributes of an object and of a list's counter
cursors      the cursors and date bounds of a list, and how many objects fit on a page
objects      ObjectStore
pages        ObjectStore.page: two calls each, whatever the offset
partners     PartnerStore
outbox       Outbox
breakers     CircuitBreakerStore
quarantine   Quarantine
commands     CommandStore
pulls        PullStore
events       EventFeed
"""
