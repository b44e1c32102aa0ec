"""From a damage report to the parts that fit."""

import sys

from hexar.v1 import parts_pb2
from hexar_client import Client
from hexar_client.parts import report


def show(found: parts_pb2.ComponentResult) -> None:
    for part in found.parts:
        print(f"{found.name}: {part.article.part_number} {part.article.name} ({part.confidence:.2f})")


def main(address: str) -> None:
    request = report(["front bumper:severe", "bonnet:minor"], parts_pb2.VehicleQuery(text="Vauxhall Astra 2006 1.6"))
    with Client(address) as client:
        for event in client.parts.discover(request):
            if event.kind == "component":
                show(event.body)
            elif event.kind == "found":  # a kept answer has all components in one event
                for component in event.body.components:
                    show(component)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
