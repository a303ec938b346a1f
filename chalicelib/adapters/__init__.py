"""The ports of the node, on AWS and on the web.

dynamodb      the stores
sqs           the queues, and the messages in them
eventbridge   the bus of events
http          calls to partners
aws           the AWS clients of a process, and requests in sizes that AWS takes
"""
