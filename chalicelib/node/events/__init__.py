"""What the host is told of.

announcing   events, announced before the write that they tell of, and the ports
publishing   events whose change is written, published to the bus and the feed
"""
