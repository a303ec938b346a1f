"""What a node does in every module and in both roles.

                  we own the object                  they own the object
they call us      serving: they pull our lists       receiving: they push to us
we call them      pushing: we push our changes       pulling: we crawl their lists

The host is the back end that runs this node; it talks to the operator API. Each of these imports only what is below it:

pulling      crawls of partners' lists
receiving    partners' objects: pushed, pulled, or retried from quarantine
owning       our own objects, as the host writes them
pushing      delivery of our changes to partners
serving      requests of partners: routes, authentication, our lists
events       events that tell the host what partners changed
outbound     one request to a partner, and the port for HTTP
partners     partners: registration, authentication, circuit breakers
write_ahead  write-ahead announcements: waiting for a change that was announced before its write
commands     a command as it is stored, and its ports
objects      an object as it is stored, and its port
telemetry    requests and responses, for logs and metrics
bodies       serialization of objects as JSON
conflicts    optimistic locking: retrying after a conflict
flows        a conversation of requests as a generator, without I/O
clock        the time, and sleeping
"""
