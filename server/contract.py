"""Names in the contract: the services and methods of .proto files."""

from collections.abc import Iterable

from google.protobuf.descriptor import FileDescriptor


def method_names(files: Iterable[FileDescriptor]) -> frozenset[str]:
    """Every service ("hexar.v1.ChatService") and every method ("hexar.v1.ChatService/Chat") of ``files``."""
    services = [service for file in files for service in file.services_by_name.values()]
    methods = (f"{service.full_name}/{method.name}" for service in services for method in service.methods)
    return frozenset((*(service.full_name for service in services), *methods))
