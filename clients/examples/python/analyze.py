"""Bring a sales table, ask it a question, and read the figures as rows."""

import sys
import tempfile
from pathlib import Path

from hexar_client import Client
from hexar_client.market import analysis, options

TABLE = "date,brand,revenue\n2024-01-15,Tindra,120.50\n2024-02-15,Korva,90\n2024-03-15,Tindra,60\n"


def main(address: str) -> None:
    with tempfile.TemporaryDirectory() as folder, Client(address) as client:
        file = Path(folder) / "example.csv"
        file.write_text(TABLE, encoding="utf-8")
        client.market.upload(options("example", replace=True), file)
        found = client.market.run(analysis("example", "Which brand sold most in 2024?"))
    if found.completed is not None:
        print(found.completed.answer)
    for row in found.rows("brand"):
        print(row["name"], row["value"], row["unit"])


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051")
