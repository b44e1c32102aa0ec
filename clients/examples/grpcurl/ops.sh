#!/bin/sh
# One glance at the server.
grpcurl -plaintext "${1:-localhost:50051}" hexar.v1.OpsService/GetStatus
