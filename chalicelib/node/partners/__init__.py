"""Partners: the parties that we roam with, their tokens, and whether they can be reached.

partner          a partner as a value, and the grants of the tokens that we issued to it
store            the port that stores partners, tokens, counters and operator keys
registry         the only writer of partners and tokens
authentication   a cache of which partner a token belongs to
breaker          the circuit breaker of each partner
contacts         when requests to and from a partner last succeeded and failed
visibility       which partner may see which of our objects
"""
