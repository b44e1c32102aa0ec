"""A small system of its own, added to a server by its declaration alone."""
