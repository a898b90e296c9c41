"""`overworld game test`: what a game should do, written down as scenarios, and decided by the rules of the server."""
