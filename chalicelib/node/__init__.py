"""What every node does, whatever the module and the role.

                  we own the object                they own the object
they call us      sender: they pull our list       receiver: they push to us
we call them      push, delivery: we tell them     (pull: we crawl their list)

own         our host puts its objects in          router      paths, methods, who may call
partners    a counterparty as a value             node        one request in, one envelope out
ports       what we need from the outside         outbound    one request to a partner, told to the observer
flows       drives a conversation of requests     attempts    repeating after a conflict
"""
