"""From vendors' listings to ranked products."""
