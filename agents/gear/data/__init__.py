"""Data tables of the gear system: words, not code. Each table says in its ``about`` what it holds."""
