"""One module a system: what the demo asks, and how the answer is shown."""
