"""The shared vocabulary: ids, money, time, chance, events, refusals, the two batch shapes, and the ports.

Pure: nothing here opens a file, a socket or a database. Everything above may import it; it imports nothing of ours.
"""
