"""The event log in the hands of staff: topics and their schemas, who is behind, what failed and is handled again.

`service` is what the routes and the commands ask; it works with the log's `Desk`, whichever log that is. `schemas` is
`overworld events schema`, `tools` what the other commands of `overworld events` do.
"""
