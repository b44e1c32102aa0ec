"""One adapter a data format."""
