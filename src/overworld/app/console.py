"""The console that results and help are printed on."""

from __future__ import annotations

from rich.console import Console


class OutConsole(Console):
    """Standard output. A reader who has had enough, as `head`, is told to the caller like everywhere else."""

    def on_broken_pipe(self) -> None:
        """Raises: BrokenPipeError; the library's own would end the process with 1."""
        self.quiet = True
        raise BrokenPipeError
