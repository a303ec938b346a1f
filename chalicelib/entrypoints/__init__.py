"""Where AWS calls us, and nothing else: read what came, call the node, hand over what it answers.

http            mounts every URL on Chalice            operator        the host's API: keys, dispatch, errors
workers         SQS messages and schedules             operations      what it offers; _partners, _objects: how
observability   logs, metrics, traces                  openapi         its description, generated
running         the one node of this process
"""
