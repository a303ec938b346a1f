"""Asking a charge point to do something, and hearing what came of it. Spec: mod_commands.md.

sending    the eMSP's side: commands that we send, and their results
relay      the CPO's side: commands passed on to charge points
checks     whether a command can be passed on
received   commands that partners sent us, written down
results    what charge points did, on its way to whoever asked
stages     where a command stands, in a word
objects    the requests and the response
"""
