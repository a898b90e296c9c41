"""`script/bench list` names the benchmarks; `script/bench NAME [OPTION...]` runs one, `--help` tells its options.

A benchmark says how far it is, then its figures; its last line is all of them as JSON. It exits with 1 when something
was wrong that makes the figures worthless. `docs/performance.md` tells what each one measures and what it does not.
"""

from __future__ import annotations

import sys

from cyclopts import App

# Each is imported when it is asked for: one needs a third of what all of them do.
_BENCHMARKS = {
    "auth": "bench.auth:auth",
    "avro": "bench.avro:avro",
    "bandwidth": "bench.bandwidth:bandwidth",
    "claims": "bench.claims:claims",
    "claims-curve": "bench.claims_curve:claims_curve",
    "claims-hot": "bench.claims:claims_hot",
    "claims-socket": "bench.claims_socket:claims_socket",
    "connections": "bench.connections:connections",
    "curves": "bench.curves:curves",
    "fanout": "bench.fanout:fanout",
    "history": "bench.history:history",
    "ingest": "bench.ingest:ingest",
    "ingest-single": "bench.ingest:ingest_single",
    "inventory": "bench.inventory:inventory",
    "kafka": "bench.events:kafka",
    "leaderboard": "bench.leaderboard:leaderboard",
    "location": "bench.location:location",
    "location-json": "bench.location_json:location_json",
    "location-single": "bench.location:location_single",
    "log": "bench.events:log",
    "nearby": "bench.nearby:nearby",
    "peers": "bench.peers:peers",
    "pipeline": "bench.pipeline:pipeline",
    "query": "bench.query:query",
    "quests": "bench.quests:quests",
    "rows": "bench.rows:rows",
    "seal": "bench.seal:seal",
    "start": "bench.start:start",
    "sync": "bench.sync:sync",
    "tick": "bench.tick:tick",
    "transfers": "bench.transfers:transfers",
}

app = App(name="script/bench", help="Measures the product on this machine.", version_flags=())
for _name, _place in _BENCHMARKS.items():
    app.command(_place, name=_name)


@app.command(name="list")
def list_benchmarks() -> None:
    """Name the benchmarks."""
    for name in _BENCHMARKS:
        print(f"{name:<24}{app[name].help.partition(chr(10))[0]}")


if __name__ == "__main__":
    if sys.argv[1:] in ([], ["--help"], ["-h"]):  # a page that tells what each measures, for which each is imported
        for _name in _BENCHMARKS:
            app[_name]
    app()
