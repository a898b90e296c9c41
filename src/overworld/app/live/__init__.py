"""The data behind the live map at `/`: who and what is where on the whole planet, for who may see all of it.

Not for players: places are exact here. `access` says who may look, `recent` remembers what was just collected,
`following` puts together what the domains know of one player, `routes` answers. It composes the doors of world,
gameplay, ledger, accounts and realtime, and owns nothing that would outlive the process.
"""
