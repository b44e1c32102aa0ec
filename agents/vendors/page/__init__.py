"""A product or listing page as listings, whatever it carries."""
