"""Everything goes wrong at once, by a seed: that two parties agree in the end, whatever happened between them.

``weather`` decides what goes wrong and when, ``queues`` are SQS on a bad day, ``network`` loses and delays,
``receiver`` is a partner that keeps score, ``host`` changes objects, ``storm`` lets all of that happen and then waits.
"""
