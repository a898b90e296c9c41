"""What an experiment came to: computed, told in words, and drawn."""
