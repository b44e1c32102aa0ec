"""Two questions at once, on one event loop. The client may be made before the loop runs."""

import asyncio
import sys

from hexar_client import AsyncClient, Ranking

client = AsyncClient(sys.argv[1] if len(sys.argv) > 1 else "localhost:50051", timeout=30)


async def best(text: str) -> str:
    ranking = Ranking()
    async with client.query(text) as events:
        async for event in events:
            ranking.apply(event)
    return ranking.products[0].name if ranking.products else "nothing"


async def main() -> None:
    async with client:
        for name in await asyncio.gather(best("beginner snowboard under $400"), best("two person tent")):
            print(name)


if __name__ == "__main__":
    asyncio.run(main())
