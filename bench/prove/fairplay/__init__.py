"""Fair play: a crowd of people and cheaters on virtual time, the real engine, the real trust, and what comes of them.

`crowd` is made of `people` and `fakers`, who are made of `travel`, `receiver`, `phone`, `cheats` and `life`; `world`
runs it through the engine, `judge` through trust. It shares nothing with `script/overworld bots` and knows no rule of
trust.
"""
