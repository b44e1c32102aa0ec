"""The examples: which method each calls, and what it answers with."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.message import Message

from hexar.v1 import chat_pb2, legal_pb2, market_pb2, ops_pb2, parts_pb2, portfolio_pb2, query_pb2
from tests.clients.languages.recording import Recording

ROOT = Path(__file__).resolve().parents[3]
EXAMPLES = ROOT / "clients" / "examples"
#: Name → the method whose responses it prints, and their type; in an order in which each finds what it needs.
ANSWERS: dict[str, tuple[str, type[Message]]] = {
    "query": ("hexar.v1.QueryService/Query", query_pb2.QueryEvent),
    "upload": ("hexar.v1.PortfolioService/UpsertDocuments", portfolio_pb2.UpsertDocumentsResponse),
    "chat": ("hexar.v1.ChatService/Chat", chat_pb2.ChatEvent),
    "discover": ("hexar.v1.PartsService/Discover", parts_pb2.DiscoverEvent),
    "analyze": ("hexar.v1.MarketService/Analyze", market_pb2.AnalyzeEvent),
    "draft": ("hexar.v1.LegalService/Draft", legal_pb2.DraftEvent),
    "ops": ("hexar.v1.OpsService/GetStatus", ops_pb2.GetStatusResponse),
}


def asked(recording: Recording, name: str, command: Sequence[str], **environment: str) -> tuple[str, list[Message]]:
    """Run an example to its end: what it printed, and what it was sent."""
    address = f"127.0.0.1:{recording.port}"
    ended = subprocess.run(
        [*command, address], capture_output=True, text=True, timeout=120, check=False, env=environment or None
    )
    assert ended.returncode == 0, ended.stderr
    method, kind = ANSWERS[name]
    sent = [kind.FromString(data) for data in recording.taken(method)]
    assert sent, f"{name} called something else"
    return ended.stdout, sent
