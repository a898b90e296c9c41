"""`overworld events`: the event log."""

from cyclopts import App

app = App(name="events", help="Look at the event log.", help_epilogue="")
