"""What all systems share, and what a system is to it."""

from hexar.server.engine.engine import MEGABYTE, Engine, WarmJob, build_engine

__all__ = ["MEGABYTE", "Engine", "WarmJob", "build_engine"]
