"""The queues on SQS, and the format of their messages.

queue      one queue: its URL, sending, decoding
pushes     PushQueues: changes and deliveries
commands   CommandQueues: commands, their results and answers
pulls      PullQueue: the pages of a crawl
events     EventQueue: announced events
"""
