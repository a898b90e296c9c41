"""`script/prove list` names the proofs; `script/prove NAME [OPTION...]` runs one, `--help` tells its options.

A proof prints how far it is, then its figures, then what was broken; its last line is all of that as JSON. It exits
with 0 when the promise held, else with 1. The same seed makes the same choices; when things happen is the machine's.
"""

from __future__ import annotations

from cyclopts import App

from bench.prove.answers import answers
from bench.prove.backbone import backbone
from bench.prove.claims_race import claims_race
from bench.prove.crash import crash
from bench.prove.experiments import experiments
from bench.prove.fairplay.command import fairplay
from bench.prove.ledger_model import ledger_model
from bench.prove.newcomer import newcomer
from bench.prove.openapi import openapi

app = App(name="script/prove", help="Tries to break a promise of the product.", version_flags=())
app.command(answers)
app.command(backbone)
app.command(claims_race)
app.command(crash)
app.command(experiments)
app.command(fairplay)
app.command(ledger_model)
app.command(openapi)
app.command(newcomer)


@app.command(name="list")
def list_proofs() -> None:
    """Name the proofs."""
    for name in (
        "answers", "backbone", "claims-race", "crash", "experiments", "fairplay", "ledger-model", "openapi", "newcomer",
    ):  # fmt: skip
        print(f"{name:<16}{app[name].help.partition(chr(10))[0]}")


if __name__ == "__main__":
    app()
