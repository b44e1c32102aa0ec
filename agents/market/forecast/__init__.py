"""The coming periods of a series, and how far they may be off."""
