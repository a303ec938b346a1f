"""What every node does, whatever the module and the role.

                  we own the object                they own the object
they call us      sender: they pull our list       receiver, incoming: they push to us
we call them      push, delivery: we tell them     (pull: we crawl their list)

own, drafts, stamps   our host puts its objects in router      paths, methods, who may call
news, pacing  what is told together, and when      node        one request in, one envelope out
visibility    who may see which of our objects     outbound    one request to a partner, told to the observer
partners      a counterparty as a value            commands    what was asked of a charge point, and the ports for it
roster        the only writer of partners          flows       drives a conversation of requests
admissions    whom a token lets in                 attempts    repeating after a conflict
ports         what we need from the outside        telemetry   what happened, for whoever watches
bodies        objects as bytes
"""
