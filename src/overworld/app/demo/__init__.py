"""Simulated players who walk a city, see what lies there and collect it, through the server's public doors alone.

`overworld demo` is the process they live in, `serve --demo` starts it beside the server. `city` and `walker` are pure:
where one goes and what one wants; `player` carries it out.
"""
