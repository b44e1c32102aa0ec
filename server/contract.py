"""The .proto files of every service that a server of all systems offers or names."""

from hexar.server.engine.system import contract
from hexar.server.systems import SYSTEMS

CONTRACT = contract(SYSTEMS)
