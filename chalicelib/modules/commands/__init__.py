"""Commands to charge points, and their results. Spec: mod_commands.md.

sending    as an eMSP: commands that we send, and their results
relay      as a CPO: commands passed on to the charge points' back end
checks     whether a command can be passed on
received   stores the commands that partners sent us
results    posts the results of charge points to the partners that asked
stages     the stage of a command, in a word
objects    the requests and the response
"""
