"""The queues in SQS, and the messages in them.

queue      one queue, found by its name at the first message
pushes     changes and deliveries
commands   commands, their results and their answers
pulls      steps of crawls
events     announced events
"""
