"""Speed that depends on how the process is scheduled. Nothing else in the server knows of it."""
