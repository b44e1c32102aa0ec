"""OpsService: what operators see of a running server, and how they steer it."""

from hexar.server.servicers.ops.service import METHOD_SCOPES, OpsServicer

__all__ = ["METHOD_SCOPES", "OpsServicer"]
