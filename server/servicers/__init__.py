"""One servicer a service, with the declaration of the system that it belongs to."""
