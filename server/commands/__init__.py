"""Commands that need the server's code; the ``hexar`` command finds them by the entry points ``hexar.commands``."""
