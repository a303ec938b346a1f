"""Counterparties, and how we stand with them.

partner          a counterparty as a value, and the tokens we issued to it
store            the port that stores partners, tokens and counters
registry         the only writer of partners
authentication   whom a token lets in, remembered for a few seconds
breaker          the circuit breaker of each partner
contacts         when a partner was last in touch, and what went wrong
visibility       who may see which of our objects
"""
