"""Who shows whom where they are, and what is shown.

Owns `world.share` and `world.home`. A share is an explicit grant to one player for a time: it also works while the
owner is invisible to strangers, and ends by itself, by the owner, or by who got it. Who told a home is shown, anywhere
near it, at one place that does not depend on where exactly they are, nor on where exactly in its cell the home is.

Invariants: one share from a player to another; what a share shows is asked for and cut down at the moment it is shown;
a share that ended shows nothing more, on any server. Publishes `events.share.changed` and `events.home.changed`,
neither with a place, which every server also consumes.
"""
