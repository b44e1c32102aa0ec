"""How vendors are reached: guarded, bounded HTTP."""
