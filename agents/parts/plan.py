"""What one report's answer is made of before anything is looked up: the vehicle, the components in their order, the key.

The order of the components does not matter to an answer: they are put into one order (by name, then the other fields),
repeats are dropped, and ``index`` in the answer counts in that order.
"""

from __future__ import annotations

from dataclasses import dataclass

from hexar.agents.parts.catalogue.records import Position, Side, Steering
from hexar.agents.parts.catalogue.view import CatalogueView
from hexar.agents.parts.importers.run import DEFAULT_CATALOGUE
from hexar.agents.parts.kinds import PARTS_LOOKUP
from hexar.agents.parts.messages import contract
from hexar.agents.parts.messages.validation import DEFAULT_PARTS
from hexar.agents.parts.vehicles.rows import Resolution
from hexar.agents.parts.vehicles.vin import read_vin
from hexar.core.cachekey import cache_key, normalize_text
from hexar.core.errors import NotFound
from hexar.v1 import common_pb2
from hexar.v1 import parts_pb2 as pb

#: The cache kind of answers.
KIND = PARTS_LOOKUP.name
#: Scores from which a damage is moderate, and severe.
MODERATE, SEVERE = 0.34, 0.67


@dataclass(frozen=True, slots=True, order=True)
class Component:
    """One reported component: its normalised name, severity 0 to 2, and the side and position that override the name's."""

    name: str
    severity: int
    side: Side
    position: Position


@dataclass(frozen=True, slots=True)
class DiscoveryPlan:
    """One report, ready to be answered; ``fields`` make the key, ``depends`` are names of versions."""

    view: CatalogueView
    resolution: Resolution
    vehicle: pb.VehicleResolution
    components: tuple[Component, ...]
    year: int
    steering: Steering
    max_parts: int
    propagate: bool
    tenant: str
    key: bytes
    depends: tuple[str, ...]
    read_cache: bool
    write_cache: bool
    only_cache: bool


def catalogue_name(name: str) -> str:
    """The catalogue that a request means."""
    return name.strip() or DEFAULT_CATALOGUE


def dependency(name: str) -> str:
    """The name of the version that a new import of a catalogue raises."""
    return f"catalogue:{name}"


def resolve(view: CatalogueView, query: pb.VehicleQuery) -> tuple[Resolution, pb.VehicleResolution]:
    """Find a vehicle; raises NotFound where a variant_id is not in the catalogue. CPU only, milliseconds."""
    vin = read_vin(query.vin) if query.vin else None
    if query.variant_id:
        found = view.vehicles.by_id(query.variant_id.strip())
        if found is None:
            raise NotFound("variant", query.variant_id)
    else:
        found = view.vehicles.resolve(
            query.text, make=query.make, model=query.model, year=query.year, engine=query.engine, body=query.body,
            fuel=query.fuel, vin=vin,
        )  # fmt: skip
    return found, contract.resolution(found, vin, view)


def severity(component: pb.DamagedComponent) -> int:
    """0 minor, 1 moderate, 2 severe; 1 where it is not said."""
    if component.WhichOneof("degree") == "severity_score":
        score = component.severity_score
        return 2 if score >= SEVERE else 1 if score >= MODERATE else 0
    return {pb.SEVERITY_MINOR: 0, pb.SEVERITY_SEVERE: 2}.get(component.severity, 1)


def components(request: pb.DiscoverRequest) -> tuple[Component, ...]:
    """The reported components in the answer's order, each once."""
    found = {
        Component(normalize_text(entry.name), severity(entry), Side(entry.side), Position(entry.position))
        for entry in request.components
    }
    return tuple(sorted(found))


def cache_fields(
    plan_parts: tuple[Component, ...], vehicle: pb.VehicleResolution, request: pb.DiscoverRequest
) -> dict[str, object]:
    """What an answer depends on: the resolved vehicle (with the catalogue's version), the set of components, the limits."""
    return {
        "vehicle": vehicle.SerializeToString(deterministic=True),
        "year": request.vehicle.year,
        "steering": request.vehicle.steering_side,
        "components": [[entry.name, entry.severity, int(entry.side), int(entry.position)] for entry in plan_parts],
        "max_parts": request.max_parts or DEFAULT_PARTS,
        "propagate": not request.skip_propagation,
    }


def make_plan(
    request: pb.DiscoverRequest, tenant: str, view: CatalogueView, found: tuple[Resolution, pb.VehicleResolution]
) -> DiscoveryPlan:
    """The plan of a request that passed validation."""
    resolution, vehicle = found
    reported = components(request)
    policy = request.cache_policy
    fields = cache_fields(reported, vehicle, request)
    return DiscoveryPlan(
        view=view,
        resolution=resolution,
        vehicle=vehicle,
        components=reported,
        year=request.vehicle.year,
        steering=Steering(request.vehicle.steering_side),
        max_parts=request.max_parts or DEFAULT_PARTS,
        propagate=not request.skip_propagation,
        tenant=tenant,
        key=cache_key(tenant, KIND, fields),
        depends=(dependency(view.row.name),),
        read_cache=policy != common_pb2.CACHE_POLICY_REFRESH,
        write_cache=policy != common_pb2.CACHE_POLICY_ONLY,
        only_cache=policy == common_pb2.CACHE_POLICY_ONLY,
    )
