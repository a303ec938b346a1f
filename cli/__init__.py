"""The command line, which does not ship to Lambda.

- ``main``: the commands as one tree; ``options``: what every command takes; ``output``: how results and problems look
- ``api``: a client of the operator API; ``nodes``: which node it talks to
- ``partners``, ``importing``, ``getting``, ``charging``, ``commands``, ``quarantine``: what talks to a node;
  ``spreadsheet`` reads what is imported from CSV
- ``keys``, ``stages``: commands that talk to AWS; ``deploy`` and ``policies`` do the deploying
- ``schema``: what OCPI's objects must look like
- ``support``: which rules of OCPI the tests prove
- ``local``: an emulator and two nodes on this machine
"""
