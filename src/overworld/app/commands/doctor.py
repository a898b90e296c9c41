def doctor() -> int:
    """Check."""
    return 0
