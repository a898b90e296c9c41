"""What several servers share by one Redis: how much each caller has used of its limits.

All of it is short-lived and may be lost: nothing is written here that somebody would miss.
"""
