#!/bin/sh
# Ask for products.
grpcurl -plaintext -d '{"text": "beginner snowboard under $400", "limit": 5}' "${1:-localhost:50051}" hexar.v1.QueryService/Query
