"""Ask for products and keep the ranking as it forms."""

import sys

from hexar_client import Client, Ranking


def main(address: str) -> None:
    ranking = Ranking()
    with Client(address) as client:
        for event in client.query("beginner snowboard under $400", limit=5):
            ranking.apply(event)
            if event.kind == "vendor":
                print(f"{event.body.vendor} answered with {event.body.listings} listings")
    for product in ranking.products:
        prices = [f"{offer.price.micros / 1e6:.2f} {offer.price.currency_code} at {offer.vendor}" for offer in product.offers]
        print(f"{product.name}: {', '.join(prices)}")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
