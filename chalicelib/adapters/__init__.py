"""The outside, behind the ports of the node.

aws                 lazily built clients                     http, door, connections   out to partners, guarded
dynamodb            one table: few calls, our exceptions     sqs, sqs_commands, sqs_pulls   the queues, their messages
dynamodb_items      how objects and counters lie there       crawls                    where a crawl stands
dynamodb_objects, dynamodb_pages, dynamodb_partners, dynamodb_outbox                   a port each
"""
