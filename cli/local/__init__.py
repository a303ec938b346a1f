"""One command that runs an AWS emulator and two nodes on this machine, and leaves nothing running.

- ``command``: ``python -m cli local``; ``runner``: what it starts, watches and stops
- ``emulator``: the AWS emulator; ``process``: a node's process, seen from the runner; ``plan``: a node's configuration
- ``node``: what runs in a node's process; ``workers``: its queues and schedules, called as Lambda would
- ``charge_points``: simulated ones, which take the commands that the CPO's node passes on
- ``demo``: example objects, and the two nodes' registration; ``welcome``: URLs, and commands to try
- ``logs``: shows the nodes' logs on the terminal
"""
