"""From what came in to columns: events are read, judged, corrected, enriched, made pseudonymous, and handed on once."""
