"""How models are reached, and how their tokens get to the event loop."""
