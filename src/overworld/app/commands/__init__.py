"""The commands of `overworld`, one file each; `overworld.app.cli` lists them.

A command's module imports little: what it runs is imported when it runs, so that `--help` is quick.
"""
