#!/bin/sh
# Upload a document: its portfolio, its header, then its bytes (base64) in pieces.
grpcurl -plaintext -d @ "${1:-localhost:50051}" hexar.v1.PortfolioService/UpsertDocuments <<EOF
{"target": {"portfolio_id": "manuals", "create": true}}
{"document": {"document_id": "atlas.md", "media_type": "text/markdown"}}
{"data": "$(printf '# Atlas 40\n\nThe warranty of the Atlas 40 is three years from the day of purchase.\n' | base64 -w 0)"}
EOF
