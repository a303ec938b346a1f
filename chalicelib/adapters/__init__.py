"""Adapters: the ports of the node, implemented on AWS and HTTP.

dynamodb      the stores
sqs           the queues, and the format of their messages
eventbridge   the event bus
http          the HTTP client for calls to partners
aws           the AWS clients of a process, and batches within the limits of AWS
"""
