#!/bin/sh
# Ask about the documents of a portfolio (see upload.sh).
grpcurl -plaintext -d '{"portfolio_id": "manuals", "message": "How long is the warranty of the Atlas 40?"}' \
  "${1:-localhost:50051}" hexar.v1.ChatService/Chat
