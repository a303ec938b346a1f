"""Proves that a stage which the previous release filled goes on: what it stored, and what waits in its queues.

recorded.json  what the previous release stored, sent, asked and answered
record         makes it, with the release that runs; and what the tests compare with it
story          what happens at the node meanwhile
town           the node, its partners, its queues and its clock
stored         items of tables, taken, put and compared
"""
