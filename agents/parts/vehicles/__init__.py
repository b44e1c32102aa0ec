"""Vehicles: what a description or a VIN says, and which variants of the catalogue it means."""
