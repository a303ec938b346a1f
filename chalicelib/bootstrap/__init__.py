"""The composition root: builds every object of a node, and is the only place that knows every class.

company    builds the node of one company
routes     every OCPI endpoint, and what serves it
receivers  what receives partners' objects
aws        the ports on AWS
ports      the ports that a node needs: stores, queues, HTTP, clock
"""
