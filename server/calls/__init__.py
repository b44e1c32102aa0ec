"""What happens to every call, whatever it asks: how it comes in, who may make it, and how an answer goes out."""
