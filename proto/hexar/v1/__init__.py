"""The Hexar contract, version 1: generated message and service stubs."""
