"""The contract: every service of the .proto files, built or not."""

from google.protobuf.descriptor import FileDescriptor

from hexar.v1 import chat_pb2, legal_pb2, market_pb2, ops_pb2, parts_pb2, portfolio_pb2, query_pb2

CONTRACT: tuple[FileDescriptor, ...] = tuple(
    module.DESCRIPTOR for module in (query_pb2, chat_pb2, portfolio_pb2, parts_pb2, market_pb2, legal_pb2, ops_pb2)
)


def names() -> frozenset[str]:
    """Every service ("hexar.v1.ChatService") and every method ("hexar.v1.ChatService/Chat")."""
    services = [service for file in CONTRACT for service in file.services_by_name.values()]
    methods = (f"{service.full_name}/{method.name}" for service in services for method in service.methods)
    return frozenset((*(service.full_name for service in services), *methods))
