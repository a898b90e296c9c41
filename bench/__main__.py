"""`script/bench list` names the benchmarks; `script/bench NAME [OPTION...]` runs one, `--help` tells its options.

A benchmark says how far it is, then its figures; its last line is all of them as JSON. It exits with 1 when something
was wrong that makes the figures worthless. `docs/performance.md` tells what each one measures and what it does not.
"""

from __future__ import annotations

from cyclopts import App

from bench.auth import auth
from bench.avro import avro
from bench.bandwidth import bandwidth
from bench.claims import claims, claims_hot
from bench.claims_curve import claims_curve
from bench.claims_socket import claims_socket
from bench.connections import connections
from bench.curves import curves
from bench.events import kafka, log
from bench.fanout import fanout
from bench.history import history
from bench.ingest import ingest, ingest_single
from bench.inventory import inventory
from bench.leaderboard import leaderboard
from bench.location import location, location_single
from bench.location_json import location_json
from bench.nearby import nearby
from bench.peers import peers
from bench.pipeline import pipeline
from bench.query import query
from bench.quests import quests
from bench.seal import seal
from bench.start import start
from bench.sync import sync
from bench.tick import tick
from bench.transfers import transfers

_NAMES = (
    "auth", "avro", "bandwidth", "claims", "claims-curve", "claims-hot", "claims-socket", "connections", "curves",
    "fanout", "history", "ingest", "ingest-single", "inventory", "kafka", "leaderboard", "location", "location-json",
    "location-single", "log", "nearby", "peers", "pipeline", "query", "quests", "seal", "start", "sync", "tick",
    "transfers",
)  # fmt: skip

app = App(name="script/bench", help="Measures the product on this machine.", version_flags=())

app.command(auth)
app.command(avro)
app.command(bandwidth)
app.command(claims)
app.command(claims_curve)
app.command(claims_hot)
app.command(claims_socket)
app.command(connections)
app.command(curves)
app.command(fanout)
app.command(history)
app.command(ingest)
app.command(ingest_single)
app.command(inventory)
app.command(kafka)
app.command(leaderboard)
app.command(location)
app.command(location_json)
app.command(location_single)
app.command(log)
app.command(nearby)
app.command(peers)
app.command(pipeline)
app.command(query)
app.command(quests)
app.command(seal)
app.command(start)
app.command(sync)
app.command(tick)
app.command(transfers)


@app.command(name="list")
def list_benchmarks() -> None:
    """Name the benchmarks."""
    for name in _NAMES:
        print(f"{name:<24}{app[name].help.partition(chr(10))[0]}")


if __name__ == "__main__":
    app()
