#!/bin/sh
# Bring a sales table, then ask it a question.
set -e
grpcurl -plaintext -d @ "${1:-localhost:50051}" hexar.v1.MarketService/UploadTable <<EOF >/dev/null
{"options": {"name": "example", "replace": true}}
{"file_name": "example.csv"}
{"chunk": "$(printf 'date,brand,revenue\n2024-01-15,Tindra,120.50\n2024-02-15,Korva,90\n' | base64 -w 0)"}
EOF
grpcurl -plaintext -d '{"table": "example", "question": "Which brand sold most in 2024?"}' \
  "${1:-localhost:50051}" hexar.v1.MarketService/Analyze
