"""Real English text that comes with the project: usage examples and definitions of WordNet 3.0, under its licence."""
