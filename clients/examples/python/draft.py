"""Draft a document and print it, with what it cites and what is still open."""

import sys

from hexar_client import Client
from hexar_client.legal import Document, draft_request

REQUEST = "Mutual NDA between Acme Robotics Inc. and Beta Labs LLC, effective 1 May 2026."


def main(address: str) -> None:
    document = Document()
    with Client(address) as client:
        for event in client.legal.draft(draft_request("nda", "US-CA", request=REQUEST)):
            document.apply(event)
    print(document.markdown)
    if document.completed is not None:
        print(f"valid: {document.completed.valid}; open: {', '.join(document.completed.open_fields) or 'nothing'}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
