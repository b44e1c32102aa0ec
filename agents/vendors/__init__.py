"""Vendor agents: one adapter a data format, a few lines of vendors.yaml a shop."""
