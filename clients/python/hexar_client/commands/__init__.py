"""Commands that call a server: one module a system."""
