"""What players did without a network: a queue of actions, found believable or not, then done in its order.

Where and when each was done is the client's word. It counts as far as nothing speaks against it: the server's clock,
the device's own counter, where the player is known to have been. What was found is kept, so that the same queue sent
again gets the same answers; the rest is the business of whoever answers such an action at any time.
"""
