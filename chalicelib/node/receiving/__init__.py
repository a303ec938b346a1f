"""Partners' objects that reach us: they own them and push them to us, or we pull them.

receiver     the endpoints that partners push to: GET, PUT, PATCH and DELETE
received     partners' objects in the store: merged with what we hold, and written
incoming     a push as a value: the object or part as it shall become, its time, what was forgiven
quarantine   what partners sent and we could not read, and its retry by the operator
leniency     counters of what was forgiven
outcome      what became of an object that was pulled or retried
"""
