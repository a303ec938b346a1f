"""Where AWS calls us, and nothing else: read what came, call the node, hand over what it answers.

http            mounts every URL on Chalice            operator        the host's API
workers         SQS messages and schedules             openapi         its description, generated
observability   logs, metrics, traces                  running         the one node of this process
"""
