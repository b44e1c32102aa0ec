#!/bin/sh
# Draft a document.
grpcurl -plaintext -d @ "${1:-localhost:50051}" hexar.v1.LegalService/Draft <<EOF
{"document_type": "nda", "jurisdiction": "US-CA",
 "request": "Mutual NDA between Acme Robotics Inc. and Beta Labs LLC, effective 1 May 2026."}
EOF
