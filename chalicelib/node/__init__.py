"""What every node does, whatever the module and the role.

                  we own the object                  they own the object
they call us      serving: they pull our lists       receiving: they push to us
we call them      pushing: we tell them of changes   pulling: we crawl their lists

A room imports only rooms below it in this list:

pulling     crawls of partners' lists
receiving   partners' objects, pushed, pulled or retried from quarantine
owning      our own objects, as the host puts them in
pushing     our changes on their way to partners
serving     requests of partners: routes, authentication, our lists
events      what the host is told of
outbound    one request to a partner, and the port to the web
partners    counterparties: registration, authentication, circuit breakers
announced   waiting for a write that was announced first
commands    a command as it is stored, and its ports
objects     an object as it is stored, and its port
telemetry   what happened, for whoever watches
bodies      objects as JSON bytes
conflicts   optimistic locking: repeating after a conflict
flows       a conversation of requests as a generator
clock       the time, and waiting
"""
