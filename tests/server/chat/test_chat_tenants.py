"""Many random operations of two tenants with equal names and questions: nobody ever sees the other's words."""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from hexar.server.process.app import App
from hexar.v1 import chat_pb2, common_pb2, portfolio_pb2
from tests.fix.chaos import short_and_long
from tests.server.chat.test_chat import Chat, text_of

WORKERS = 16
QUESTIONS = [
    "What is the secret colour of the team?",
    "What's the secret colour of the team?",
    "Which secret colour does the team have?",
    "Where is the secret key of the team?",
    "Who knows the secret name of the team?",
    "¿Cuál es el color secreto del equipo?",
    "hello",
]
CANARY = {"red": "crimsoncanary", "blue": "navycanary"}


def document(tenant: str, version: int) -> bytes:
    """Sentences that answer the questions, each with the tenant's canary."""
    word = CANARY[tenant]
    return (
        f"The secret colour of the team is {word}{version}. The secret key of the team is behind {word}{version}. "
        f"The secret name of the team is known to {word}{version}. El color secreto del equipo es {word}{version}.\n"
    ).encode()


async def operate(caller: Chat, tenant: str, chance: random.Random, state: dict[str, Any]) -> None:
    """One random operation; asserts that nothing of the other tenant shows."""
    other = CANARY["blue" if tenant == "red" else "red"]
    choice = chance.random()
    if choice < 0.01:
        state["version"] += 1
        await caller.upload("notes", {"team.txt": document(tenant, state["version"])})
    elif choice < 0.06:
        search = portfolio_pb2.SearchRequest(portfolio_id="notes", query=chance.choice(QUESTIONS))
        found = await caller.portfolios.Search(search, metadata=caller.metadata)
        assert other not in str(found)
    elif choice < 0.09:
        conversation = state.get("conversation")
        if conversation:
            named = chat_pb2.GetConversationRequest(conversation_id=conversation)
            assert other not in str(await caller.chat.GetConversation(named, metadata=caller.metadata))
    else:
        policy = common_pb2.CACHE_POLICY_REFRESH if choice < 0.12 else common_pb2.CACHE_POLICY_DEFAULT
        request = chat_pb2.ChatRequest(
            portfolio_id="notes", message=chance.choice(QUESTIONS), cache_policy=policy, ephemeral=choice < 0.9
        )
        call = caller.chat.Chat(request, metadata=caller.metadata)
        leave = chance.randrange(1, 6) if choice < 0.25 else 0
        events: list[chat_pb2.ChatEvent] = []
        async for event in call:
            events.append(event)
            if len(events) == leave:
                call.cancel()
                break
        assert other not in str(events)
        if not leave:
            assert request.message == "hello" or CANARY[tenant] in text_of(events)
            state["conversation"] = events[-1].done.conversation_id or state.get("conversation")


@pytest.mark.parametrize("operations", short_and_long(500, 10_000))
@pytest.mark.timeout(600)
async def test_random_operations_never_cross_tenants(settings: Callable[..., Any], operations: int) -> None:
    """Asks, edits, searches, re-reads and cancellations at random: no event holds the other tenant's canary."""
    tokens = [{"token": f"secret-{name}", "tenant": name} for name in CANARY]
    app = App(settings(auth={"tokens": tokens}))
    await app.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{app.port}") as channel:
        callers = {name: Chat(channel, f"secret-{name}") for name in CANARY}
        states: dict[str, dict[str, Any]] = {name: {"version": 0} for name in CANARY}
        for name, caller in callers.items():
            await caller.upload("notes", {"team.txt": document(name, 0)})

        async def work(seed: int) -> None:
            chance = random.Random(seed)
            for _ in range(operations // WORKERS):
                tenant = chance.choice(tuple(CANARY))
                await operate(callers[tenant], tenant, chance, states[tenant])

        await asyncio.gather(*(work(seed) for seed in range(WORKERS)))
    await app.stop(0)
