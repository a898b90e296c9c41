"""Where things are on a sphere: S2 cells, unit vectors, distances. Pure: columns in, columns out, no I/O.

`cells` and `sphere` are for everybody. `kernels` holds the compiled functions for other kernels to call; nothing
compiles before it is called, or `cells.warm()`.
"""
