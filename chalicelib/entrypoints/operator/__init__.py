"""The operator API under /operator, for the host: the back end of the company that runs this node.

api            authenticates a request, finds its operation, answers
operation      what an operation is, its call and its reply
partners       invite, register, show, change, suspend, rotate tokens, unregister
objects        create and change own objects, read received ones
charging       authorize drivers, rulings about tokens, CDRs
commands       send a command, show it, give a charge point's result
pulls          crawl a partner's list now, and see its progress
outbox         objects that were not delivered to partners
quarantine     objects of partners that were refused
events         the feed of events
openapi        the API's description, generated from the operations
event_schema   an event as JSON Schema
"""
