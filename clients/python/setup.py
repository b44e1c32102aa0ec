"""Build the ``hexar-client`` distribution. Its dependency on the contract is explained in the setup.py of ``hexar``."""

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent
VERSION = "0.1.0"
CONTRACT = ROOT.parent.parent / "proto"


def proto_requirement() -> str:
    """The contract beside a checkout, or its released number for a build from an sdist."""
    released = (ROOT / "PKG-INFO").exists() or not (CONTRACT / "pyproject.toml").exists()
    return f"hexar-proto=={VERSION}" if released else f"hexar-proto @ {CONTRACT.as_uri()}"


setup(
    version=VERSION,
    packages=find_packages(include=["hexar_client", "hexar_client.*"]),
    package_data={"hexar_client": ["py.typed"]},
    install_requires=[
        proto_requirement(),
        "grpcio>=1.80",
        "grpcio-status>=1.80",
        "protobuf>=6.33",
    ],
    zip_safe=False,
)
