"""Load generators: what runs in a process of its own and plays many clients at once."""
