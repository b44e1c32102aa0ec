"""Upload a document, ask about it, and print the answer as it is written, with what it cites."""

import sys

from hexar_client import Client
from hexar_client.chat import Upload

TEXT = b"# Atlas 40\n\nThe warranty of the Atlas 40 is three years from the day of purchase.\n"


def main(address: str) -> None:
    with Client(address) as client:
        client.portfolios.add("manuals", [Upload("atlas.md", TEXT)])
        for event in client.chat("manuals", "How long is the warranty of the Atlas 40?"):
            if event.kind == "token":
                print(event.body.text, end="", flush=True)
            elif event.kind == "citation":
                print(f" [{event.body.marker}: {event.body.document_title}]", end="")
        print()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
