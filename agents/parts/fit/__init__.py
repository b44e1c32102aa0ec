"""Which parts fit, which are meant, and what must be known to choose among them."""
