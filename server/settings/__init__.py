"""The configuration, and what is built from it alone."""
