"""LegalService: in the contract; its calls end as UNIMPLEMENTED."""

from hexar.core.cache import Kind
from hexar.core.cache.kinds import HOUR
from hexar.server.system import System
from hexar.v1 import legal_pb2

SYSTEM = System(name="legal", services=(legal_pb2.DESCRIPTOR,), kinds=(Kind("legal_research", HOUR),))
