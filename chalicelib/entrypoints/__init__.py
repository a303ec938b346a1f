"""Where AWS calls us: read what came, call the node, hand over what it answers.

http            API Gateway: every URL, through one middleware
workers         SQS messages and schedules
operator        the host's own API
running         the one node of this process
observability   logs, metrics and traces
"""
