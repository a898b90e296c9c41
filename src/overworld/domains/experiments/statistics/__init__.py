"""What an experiment's numbers say: pure functions over arrays; nothing here knows what a flag is."""
