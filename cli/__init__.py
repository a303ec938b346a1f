"""The command line, which does not ship to Lambda.

- ``main``: the commands as one tree; ``options``: what every command takes; ``output``: how results and problems look
- ``api``: a client of the operator API; ``nodes``: which node it talks to
- ``partners``, ``importing``, ``getting``, ``charging``, ``commands``, ``events``, ``pulling``, ``outbox``,
  ``quarantine``: commands that call a node's operator API; ``partner_status`` prints tables for two of them, and
  ``spreadsheet`` reads CSV for the import
- ``keys``, ``stages``: commands that call AWS; ``deploy`` and ``policies`` do the deploying
- ``schema``: the JSON Schema of OCPI's objects
- ``support``: which rules of OCPI are proven by tests
- ``local``: an emulator and two nodes on this machine
"""
