"""The files of docs/deploy and the settings that the guides name, held against the code."""

import re
import shutil
import subprocess
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


#: What the Compose specification allows, as far as such a file needs it.
_TOP = {"name", "services", "volumes", "networks", "configs", "secrets", "include"}
_SERVICE = {
    "build", "cap_add", "cap_drop", "command", "configs", "container_name", "cpus", "depends_on", "deploy", "dns", "entrypoint",
    "env_file", "environment", "expose", "extra_hosts", "healthcheck", "hostname", "image", "init", "labels", "logging", "mem_limit",
    "networks", "pids_limit", "platform", "ports", "privileged", "profiles", "pull_policy", "read_only", "restart", "scale", "secrets",
    "security_opt", "shm_size", "stop_grace_period", "stop_signal", "sysctls", "tmpfs", "ulimits", "user", "volumes", "working_dir",
}  # fmt: skip
_HEALTH = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
_CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}
_DURATION = re.compile(r"(?:\d+(?:us|ms|s|m|h))+")
_PORT = re.compile(r"(?:[\d.]+:)?(?:\d+:)?\d+(?:/(?:tcp|udp))?")


def _filled(value: Any) -> Any:
    """With ``${NAME:-default}`` as where NAME is unset."""
    if isinstance(value, str):
        assert not re.search(r"\$(?:\w|\{\w+\})", value), f"{value} has no default"
        return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", value)
    if isinstance(value, dict):
        return {name: _filled(one) for name, one in value.items()}
    return [_filled(one) for one in value] if isinstance(value, list) else value


def test_the_compose_file_is_one() -> None:
    """Keys, conditions, durations, ports and volumes as the specification has them; whom a service waits for is there and can say so."""
    found = _filled(yaml.safe_load((DOCS / "deploy" / "compose.yaml").read_text("utf-8")))
    assert {name for name in found if not name.startswith("x-")} <= _TOP
    for name, service in found["services"].items():
        assert set(service) <= _SERVICE, name
        assert "image" in service or "build" in service, name
        for other, how in service.get("depends_on", {}).items():
            assert set(how) <= {"condition", "restart", "required"}
            assert how["condition"] in _CONDITIONS
            assert "healthcheck" in found["services"][other] or how["condition"] != "service_healthy"
            assert "restart" not in found["services"][other] or how["condition"] != "service_completed_successfully"
        health = service.get("healthcheck", {})
        assert set(health) <= _HEALTH
        assert not health or health["test"][0] in ("CMD", "CMD-SHELL", "NONE")
        times = [health[each] for each in ("interval", "timeout", "start_period") if each in health]
        times += [service["stop_grace_period"]] if "stop_grace_period" in service else []
        assert all(_DURATION.fullmatch(each) for each in times), name
        assert all(isinstance(port, str) and _PORT.fullmatch(port) for port in service.get("ports", ())), name
        assert all(isinstance(word, str) for word in service.get("command", ())), name
        assert all(isinstance(value, str) for value in service.get("environment", {}).values()), name
        for volume in service.get("volumes", ()):
            source, target, *mode = volume.split(":")
            assert target.startswith("/")
            assert mode in ([], ["ro"], ["rw"])
            assert source.startswith((".", "/")) or source in found["volumes"], volume
        for key in ("context", "dockerfile"):
            path = service.get("build", {}).get(key, ".")
            assert ((DOCS / "deploy" if key == "context" else DOCS.parent) / path).exists()


def test_compose_itself_takes_the_file() -> None:
    """By `docker compose config`, where it is installed; no daemon is needed."""
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run([docker, "compose", "version"], capture_output=True, check=False, timeout=60).returncode
    ):
        pytest.skip("docker compose is not installed")
    command = [docker, "compose", "-f", str(DOCS / "deploy" / "compose.yaml"), "config", "--quiet"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 0, ended.stderr
