"""The composition root: the only place that knows every class.

company    one party's node, put together
routes     every OCPI endpoint, and what serves it
received   what receives partners' objects
aws        the ports on AWS
ports      the ports that a node needs
"""
