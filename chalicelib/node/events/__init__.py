"""Events: the host is told what partners changed.

announcing   events and their ports; each event is announced before the write that it is about
publishing   the worker that publishes events to the bus and the feed once their change is written
"""
