"""Breakers, vendors, options and the end of a process."""

from __future__ import annotations

from collections.abc import Mapping

from hexar.core.errors import InvalidArgument, NotFound
from hexar.core.telemetry.operations import Kind
from hexar.server.calls.rpc import Call, Handler
from hexar.server.engine.options import Option
from hexar.server.engine.process import Process
from hexar.server.servicers.ops import messages
from hexar.server.servicers.ops.messages import duration
from hexar.v1 import ops_pb2 as pb


class SteeringHandlers:
    """The handlers over one process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def handlers(self) -> Mapping[str, Handler]:
        """Handlers by method name."""
        return {
            "ListBreakers": self.list_breakers,
            "ResetBreaker": self.reset_breaker,
            "ListVendors": self.list_vendors,
            "ListOptions": self.list_options,
            "SetOption": self.set_option,
            "Drain": self.drain,
        }

    async def list_breakers(self, call: Call) -> bytes:
        """All circuit breakers, by name."""
        call.decode(pb.ListBreakersRequest)
        breakers = sorted(self._process.breakers(), key=lambda breaker: breaker.name)
        return pb.ListBreakersResponse(breakers=map(messages.breaker, breakers)).SerializeToString()

    async def reset_breaker(self, call: Call) -> bytes:
        """Close one, here and in the other processes."""
        agent = call.decode(pb.ResetBreakerRequest).agent
        found = next((breaker for breaker in self._process.breakers() if breaker.name == agent), None)
        if found is None:
            raise NotFound("agent", agent)
        found.reset()
        await self._tell({"breaker": agent})
        return pb.ResetBreakerResponse(breaker=messages.breaker(found)).SerializeToString()

    async def list_vendors(self, call: Call) -> bytes:
        """The configured vendors, with what is known of them."""
        call.decode(pb.ListVendorsRequest)
        report = await self._process.monitor.report(all_processes=True)
        agents = {status.agent: status for status in messages.agents(report)}
        calls = {row["name"]: messages.operation(row) for row in report["operations"] if row["kind"] == Kind.AGENT}
        names = sorted({vendor for servicer in self._process.servicers for vendor in servicer.vendors()})
        vendors = [pb.VendorReport(name=name, status=agents.get(name), calls=calls.get(name)) for name in names]
        return pb.ListVendorsResponse(vendors=vendors).SerializeToString()

    async def list_options(self, call: Call) -> bytes:
        """What can be turned off and on."""
        call.decode(pb.ListOptionsRequest)
        return pb.ListOptionsResponse(options=self.shown()).SerializeToString()

    def shown(self) -> list[pb.Option]:
        """The options as they are."""
        return [_option(option) for _, option in sorted(self._process.options.items())]

    async def set_option(self, call: Call) -> bytes:
        """Turn one off or on, in all processes under the same supervisor."""
        request = call.decode(pb.SetOptionRequest)
        option = self._process.options.get(request.name)
        if option is None:
            raise NotFound("option", request.name)
        option.write(request.on)
        await self._tell({"option": request.name, "on": request.on})
        return pb.SetOptionResponse(option=_option(option)).SerializeToString()

    async def drain(self, call: Call) -> bytes:
        """End this process in order, where it is the one that is meant: behind one address there may be several."""
        request = call.decode(pb.DrainRequest)
        if request.instance != self._process.instance:
            raise InvalidArgument(
                "instance", f"must be {self._process.instance!r}, the process that answers; it is {request.instance!r}"
            )
        self._process.drain_asked.set()
        within = duration(self._process.settings.drain_seconds)
        return pb.DrainResponse(instance=self._process.instance, within=within).SerializeToString()

    async def _tell(self, what: dict[str, object]) -> None:
        if self._process.monitor.tell is not None:
            await self._process.monitor.tell(what)


def _option(option: Option) -> pb.Option:
    return pb.Option(name=option.name, on=option.read(), description=option.text)
