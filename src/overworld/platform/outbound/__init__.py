"""HTTP to addresses that somebody typed in: nowhere inside, no redirects, and never for long."""

from overworld.platform.outbound.fetcher import Fetched, Fetcher, FetchFailed
from overworld.platform.outbound.poster import Posted, Poster

__all__ = ["FetchFailed", "Fetched", "Fetcher", "Posted", "Poster"]
