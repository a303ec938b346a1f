"""Where AWS calls us: reads an event, calls the node, and returns its answer.

http            API Gateway: every URL, through one middleware
workers         SQS messages and schedules
operator        the operator API, for the host
running         the node of this process, built at the first event
observability   logs, metrics and traces
"""
