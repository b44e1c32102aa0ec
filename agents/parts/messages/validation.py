"""What a request of the parts service must be before anything is done with it.

Each ``check_…`` names every field that is wrong in one :class:`hexar.core.errors.InvalidArgument`, by its path in the
request; a request that passes can be trusted by the rest of this package.
"""

import math
import unicodedata
from datetime import UTC, datetime

from hexar.agents.parts.vehicles.vin import read_vin
from hexar.core.errors import InvalidArgument
from hexar.v1 import common_pb2
from hexar.v1 import parts_pb2 as pb

#: Components of a report, reports of a batch, names of a MatchParts request.
MAX_COMPONENTS, MAX_REPORTS, MAX_NAMES = 100, 100, 1000
#: Characters of a component's name, of one vehicle field, of a vehicle's text, of an id.
MAX_NAME, MAX_FIELD, MAX_TEXT, MAX_ID = 200, 100, 300, 200
#: Parts for each component, articles for each name.
MAX_PARTS, DEFAULT_PARTS = 200, 20
MAX_MATCHES, DEFAULT_MATCHES = 100, 10
#: Rows of a page.
MAX_PAGE, DEFAULT_PAGE = 1000, 100
#: The first motor car.
FIRST_YEAR = 1885
#: No answer has as many events.
MAX_RESUME = 1_000_000_000


class Violations:
    """Collects what is wrong; ``at`` is put before every field's path."""

    def __init__(self, at: str = "") -> None:
        self.found: list[tuple[str, str]] = []
        self.at = at

    def add(self, field: str, description: str) -> None:
        """Name one field that is wrong."""
        self.found.append((f"{self.at}{field}", description))

    def end(self) -> None:
        """Raise InvalidArgument where anything was found."""
        if self.found:
            (field, description), *more = self.found
            raise InvalidArgument(field, description, *more)

    def text(self, field: str, value: str, limit: int, *, required: bool = False) -> bool:
        """Whether ``value`` is a text of at most ``limit`` characters without control characters."""
        if not value.strip():
            if required or value:
                self.add(field, "must not be empty")
            return not required and not value
        if len(value) > limit:
            self.add(field, f"has {len(value)} characters, at most {limit} are allowed")
            return False
        if any(unicodedata.category(char) in ("Cc", "Cs") for char in value):
            self.add(field, "must not have control characters")
            return False
        return True

    def enum(self, field: str, value: int, known: list[int]) -> None:
        """Refuse an enum number that the contract does not have."""
        if value not in known:
            self.add(field, f"{value} is no value of this field")

    def year(self, field: str, year: int) -> None:
        """Refuse a year before the motor car or after the next model year."""
        last = datetime.now(UTC).year + 1
        if year and not FIRST_YEAR <= year <= last:
            self.add(field, f"must be {FIRST_YEAR} to {last}, or 0 where it is not known; it is {year}")


def check_discover(request: pb.DiscoverRequest, at: str = "") -> None:
    """A damage report; ``at`` is its path inside a batch."""
    wrong = Violations(at)
    _report(wrong, request)
    wrong.end()


def check_batch(request: pb.DiscoverBatchRequest) -> None:
    """A batch as such; its reports are checked one by one, and fail one by one."""
    wrong = Violations()
    _resume(wrong, request.resume_after)
    if not 1 <= len(request.reports) <= MAX_REPORTS:
        wrong.add("reports", f"must hold 1 to {MAX_REPORTS} reports; it holds {len(request.reports)}")
    wrong.end()


def check_match(request: pb.MatchPartsRequest) -> None:
    """A MatchParts request."""
    wrong = Violations()
    wrong.text("catalogue", request.catalogue, MAX_FIELD)
    if not 1 <= len(request.names) <= MAX_NAMES:
        wrong.add("names", f"must hold 1 to {MAX_NAMES} names; it holds {len(request.names)}")
    else:
        for index, name in enumerate(request.names):
            wrong.text(f"names[{index}]", name, MAX_NAME, required=True)
    if request.HasField("vehicle"):
        _vehicle(wrong, request.vehicle)
    if request.limit > MAX_MATCHES:
        wrong.add("limit", f"must be 1 to {MAX_MATCHES}, or 0 for {DEFAULT_MATCHES}; it is {request.limit}")
    _share(wrong, "min_score", request.min_score)
    wrong.end()


def check_vehicle(catalogue: str, vehicle: pb.VehicleQuery) -> None:
    """A request that names a catalogue and a vehicle."""
    wrong = Violations()
    wrong.text("catalogue", catalogue, MAX_FIELD)
    _vehicle(wrong, vehicle)
    wrong.end()


def check_page(page: common_pb2.PageRequest, year: int = 0, **texts: str) -> int:
    """A list request: returns the page's size. ``texts`` are its id fields and the catalogue's name."""
    wrong = Violations()
    for field, value in texts.items():
        wrong.text(field, value, MAX_ID)
    wrong.year("year", year)
    if page.size > MAX_PAGE:
        wrong.add("page.size", f"must be 1 to {MAX_PAGE}, or 0 for {DEFAULT_PAGE}; it is {page.size}")
    wrong.end()
    return page.size or DEFAULT_PAGE


def _report(wrong: Violations, request: pb.DiscoverRequest) -> None:
    _resume(wrong, request.resume_after)
    wrong.enum("cache_policy", request.cache_policy, common_pb2.CachePolicy.values())
    wrong.text("catalogue", request.catalogue, MAX_FIELD)
    if not request.HasField("vehicle"):
        wrong.add("vehicle", "must be set")
    else:
        _vehicle(wrong, request.vehicle)
    if not 1 <= len(request.components) <= MAX_COMPONENTS:
        wrong.add("components", f"must hold 1 to {MAX_COMPONENTS} components; it holds {len(request.components)}")
    else:
        for index, component in enumerate(request.components):
            _component(wrong, f"components[{index}]", component)
    if request.max_parts > MAX_PARTS:
        wrong.add("max_parts", f"must be 1 to {MAX_PARTS}, or 0 for {DEFAULT_PARTS}; it is {request.max_parts}")


def _component(wrong: Violations, field: str, component: pb.DamagedComponent) -> None:
    wrong.text(f"{field}.name", component.name, MAX_NAME, required=True)
    wrong.enum(f"{field}.severity", component.severity, pb.Severity.values())
    _share(wrong, f"{field}.severity_score", component.severity_score)
    wrong.enum(f"{field}.side", component.side, pb.Side.values())
    wrong.enum(f"{field}.position", component.position, pb.Position.values())


def _vehicle(wrong: Violations, vehicle: pb.VehicleQuery) -> None:
    wrong.text("vehicle.text", vehicle.text, MAX_TEXT)
    for name in ("make", "model", "engine", "body", "fuel"):
        wrong.text(f"vehicle.{name}", getattr(vehicle, name), MAX_FIELD)
    wrong.text("vehicle.variant_id", vehicle.variant_id, MAX_ID)
    wrong.enum("vehicle.steering_side", vehicle.steering_side, pb.SteeringSide.values())
    wrong.year("vehicle.year", vehicle.year)
    if not any(getattr(vehicle, name).strip() for name in ("text", "make", "model", "vin", "variant_id")):
        wrong.add("vehicle", "must have a text, a make or model, a VIN or a variant_id")
    if vehicle.vin:
        vin = read_vin(vehicle.vin)
        if vin.problem:
            wrong.add("vehicle.vin", vin.problem)
        # A car is sold up to a year before or after its model year.
        elif (
            vehicle.year
            and vin.check_digit_required
            and vin.model_years
            and all(abs(vehicle.year - year) > 1 for year in vin.model_years)
        ):
            years = " or ".join(str(year) for year in vin.model_years)
            wrong.add("vehicle.year", f"is {vehicle.year}, but the VIN's model year is {years}")


def _share(wrong: Violations, field: str, value: float) -> None:
    if math.isnan(value) or not 0 <= value <= 1:
        wrong.add(field, f"must be from 0 to 1; it is {value}")


def _resume(wrong: Violations, value: int) -> None:
    if value > MAX_RESUME:
        wrong.add("resume_after", "is not the number of an event")
