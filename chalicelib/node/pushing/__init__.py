"""Pushing: partners are told of changes of our objects, each as it is now, and again until they hold it.

messages    what the workers' queues carry: an announced change, a delivery to one partner, a partner to look after
fan_out     an announced change becomes one delivery per partner
pacing      how often an object that changes all the time is pushed
coalescing  several announcements of one object become the fewest that tell the same
delivery    one delivery carried out: read, decide, call the partner, record the outcome
decision    the policy of delivery, as pure functions: skip, wait, push, post or remove, and what becomes of a failure
requests    the requests of one delivery: PUT, PATCH, POST, DELETE, and GET where in doubt
records     what a delivery reads and writes: partner, outbox, breaker
outbox      which partner does not hold which object as it is, and the schedule of its retries; the port that stores it
retries     what is due is queued again, and partners whose breaker is open are probed
"""
