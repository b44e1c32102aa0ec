"""The gRPC server: wiring, configuration, interceptors and one servicer a service."""
