"""What callers write stays out of the logs, also where a statement that carries it fails."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import grpc
import pytest

from hexar.v1 import chat_pb2, chat_pb2_grpc
from tests.fix.server_process import ServerProcess

SECRET = "Zanzibar-Klabautermann-4711"


async def test_a_failing_statement_is_logged_without_its_values(tmp_path: Path) -> None:
    """A table is gone: the statement fails, the log tells of it, and its texts are not there."""
    async with ServerProcess(
        tmp_path, "server", data_dir=str(tmp_path / "data"), vendors=str(tmp_path / "none.yaml")
    ) as server:
        async with server.channel() as channel:
            stub = chat_pb2_grpc.ChatServiceStub(channel)
            agent = chat_pb2.Agent(agent_id="a", title=SECRET, prompt=f"Say {SECRET}.")
            await stub.CreateAgent(chat_pb2.CreateAgentRequest(agent=chat_pb2.Agent(agent_id="first", prompt="Be brief.")))
            with sqlite3.connect(tmp_path / "data" / "store.db") as store:
                store.execute("ALTER TABLE agents RENAME TO lost")
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await stub.CreateAgent(chat_pb2.CreateAgentRequest(agent=agent))
            assert SECRET not in str(failed.value.details())
        log = server.log
    assert "OperationalError" in log and "agents" in log
    assert SECRET not in log
