"""Requests of partners, answered.

node      one request in, one envelope out
router    paths and methods, and who may call them
sender    our lists and objects, for partners that pull
"""
