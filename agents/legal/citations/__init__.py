"""Which sentence is supported by which passage, word for word."""
