"""From the log to the receivers: `queueing` writes deliveries as events come, `sender` sends what is due.

Between them lies the queue, in `store`: lines of deliveries, one for each key of each subscription. A server that takes
the first of a line holds a lease on it; when it dies, another takes it when the lease is over.
"""
