"""One glance at a server, and an error that is an exception with its reason."""

import sys

from hexar_client import Client, NotFound


def main(address: str) -> None:
    with Client(address) as client:
        status = client.ops.status()
        print(f"version {status.version}, {'ready' if status.ready else 'not ready'}, {status.in_flight} calls in flight")
        try:
            client.portfolios.get("no-such-portfolio")
        except NotFound as error:
            print(f"not found: {error.message}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
