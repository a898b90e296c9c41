"""Experiments as an installation has them: what counts, how reports look, and the command that makes one."""
