"""The files of docs/deploy and the settings that the guides name, held against the code."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from hexar.server.systems import settings_type

DOCS = Path(__file__).parents[3] / "docs"
#: Read by the process itself, before or beside its settings; used by the compose file; for tests.
OTHERS = {"HEXAR_CONFIG", "HEXAR_DATA", "HEXAR_BUILD", "HEXAR_DB_PASSWORD", "HEXAR_VENDORS_FILE"}


def setting(name: str) -> bool:
    """Whether ``HEXAR_A__B`` is a setting."""
    model: type[BaseModel] = settings_type()
    path = name.removeprefix("HEXAR_").lower().split("__")
    for at, part in enumerate(path):
        if part not in model.model_fields:
            return False
        kind = model.model_fields[part].annotation
        kinds = [each for each in (kind, *getattr(kind, "__args__", ())) if isinstance(each, type)]
        nested = [each for each in kinds if issubclass(each, BaseModel)]
        if not nested:
            return at == len(path) - 1
        model = nested[0]
    return True


@pytest.mark.parametrize("page", sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.*")))
def test_every_setting_that_a_page_names_exists(page: str) -> None:
    """A setting that was renamed is renamed in the guides."""
    named = set(re.findall(r"HEXAR_[A-Z0-9_]*[A-Z0-9]", (DOCS / page).read_text("utf-8")))
    assert {name for name in named - OTHERS if not setting(name)} == set()


def kubernetes() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DOCS / "deploy" / "kubernetes.yaml").read_text("utf-8")))


def test_a_pod_lives_longer_than_its_drain() -> None:
    """preStop and drain fit into the grace period; readiness is the gRPC health service on the port that is served."""
    [deployment] = [
        each for each in kubernetes() if each["metadata"]["name"] == "hexar-server" and each["kind"] == "Deployment"
    ]
    pod = deployment["spec"]["template"]["spec"]
    [server] = pod["containers"]
    settings = {row["name"]: row["value"] for row in server["env"]}
    pause = int(server["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause + float(settings["HEXAR_DRAIN_SECONDS"])
    assert server["readinessProbe"]["grpc"]["port"] in {row["containerPort"] for row in server["ports"]}


def test_labels_select_the_pods_that_they_mean() -> None:
    """The service, the budget and the autoscaler point to the server's deployment and not to the workers."""
    found = {(each["kind"], each["metadata"]["name"]): each for each in kubernetes()}
    labels = found["Deployment", "hexar-server"]["spec"]["template"]["metadata"]["labels"]
    selectors = [
        found["Service", "hexar"]["spec"]["selector"],
        found["Deployment", "hexar-server"]["spec"]["selector"]["matchLabels"],
        found["PodDisruptionBudget", "hexar-server"]["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels.items()
        assert not selector.items() <= found["Deployment", "hexar-worker"]["spec"]["template"]["metadata"]["labels"].items()
    target = found["HorizontalPodAutoscaler", "hexar-server"]["spec"]["scaleTargetRef"]
    assert (target["kind"], target["name"]) in found


def test_the_compose_file_starts_things_in_order() -> None:
    """The schema is migrated before servers and workers start, and both are given time to drain."""
    services = yaml.safe_load((DOCS / "deploy" / "compose.yaml").read_text("utf-8"))["services"]
    drain = settings_type().model_fields["drain_seconds"].default
    for name in ("server", "worker"):
        assert services[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
        assert float(services[name]["stop_grace_period"].removesuffix("s")) > drain
    assert services["migrate"]["depends_on"]["postgres"] == {"condition": "service_healthy"}
    ports = {port.rsplit(":", 1)[1] for port in services["server"]["ports"]}
    image = (DOCS / "deploy" / "Dockerfile").read_text("utf-8")
    assert all(f"={port}" in image for port in ports)
