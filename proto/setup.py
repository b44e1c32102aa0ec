"""Build the ``hexar-proto`` distribution: stubs are generated from hexar/v1/*.proto at build and never committed."""

from importlib.resources import files
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent


def generate() -> None:
    """Write ``*_pb2.py``, ``*_pb2.pyi`` and ``*_pb2_grpc.py`` beside the .proto files; raise where protoc refuses one."""
    from grpc_tools import protoc

    well_known = str(files("grpc_tools") / "_proto")
    sources = sorted(str(path) for path in (ROOT / "hexar" / "v1").glob("*.proto"))
    command = [
        "protoc",
        f"-I{ROOT}",
        f"-I{well_known}",
        f"--python_out={ROOT}",
        f"--pyi_out={ROOT}",
        f"--grpc_python_out={ROOT}",
    ]
    if protoc.main([*command, *sources]) != 0:
        raise SystemExit("protoc failed: see the message above")


class BuildStubs(build_py):
    """``build_py`` that generates the stubs first, so that they are packaged like any other module."""

    def run(self) -> None:
        generate()
        super().run()


setup(
    packages=["hexar.v1"],
    package_data={"hexar.v1": ["*.proto", "*.pyi", "py.typed"]},
    cmdclass={"build_py": BuildStubs},
    zip_safe=False,
)
