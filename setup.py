"""Build the ``hexar`` distribution: three folders become three namespace parts, every kernel an extension.

The folders stay at the top level of the repository but import as ``hexar.core``, ``hexar.agents`` and ``hexar.server``
(docs/adr/0001). ``hexar`` itself is a PEP 420 namespace shared with ``hexar-proto``, so it has no ``__init__.py``.

Environment:
    HEXAR_BUILD=sanitize  build the kernels with bounds checks, ASan and UBSan (``make test-sanitize``)
    HEXAR_BUILD=none      build no kernel: the Makefile compiles them in place while pip installs
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, find_packages, setup

ROOT = Path(__file__).resolve().parent
PARTS = ("core", "agents", "server")
VERSION = "0.1.0"
SANITIZE = os.environ.get("HEXAR_BUILD") == "sanitize"


def link_namespace() -> Path:
    """Link the folders under build/ns/hexar so that Cython, mypy and pyright resolve ``hexar.*`` in the tree."""
    namespace = ROOT / "build" / "ns" / "hexar"
    namespace.mkdir(parents=True, exist_ok=True)
    for name, target in {**{part: ROOT / part for part in PARTS}, "v1": ROOT / "proto" / "hexar" / "v1"}.items():
        link = namespace / name
        if target.is_dir() and not link.exists():
            # Another build may link it at this moment.
            with suppress(FileExistsError):
                link.symlink_to(os.path.relpath(target, namespace), target_is_directory=True)
    return namespace.parent


def packages() -> list[str]:
    found: list[str] = []
    for part in PARTS:
        found.append(f"hexar.{part}")
        found.extend(f"hexar.{part}.{name}" for name in find_packages(part))
    return found


def extensions() -> list[Extension]:
    """One extension per kernel: ``core/<room>/<name>.pyx`` is ``hexar.core.<room>.<name>``."""
    if os.environ.get("HEXAR_BUILD") == "none":
        return []
    if sys.platform == "win32":
        compile_args, link_args = ["/O2", "/std:c++17"], []
    else:
        compile_args, link_args = ["-O3", "-std=c++17", "-fvisibility=hidden", "-Wno-unused-function"], []
    if SANITIZE:
        flags = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"]
        compile_args, link_args = [*compile_args[1:], *flags], flags[2:3]
    return [
        Extension(
            f"hexar.core.{source.parent.name}.{source.stem}",
            [source.relative_to(ROOT).as_posix()],
            language="c++",
            include_dirs=[source.parent.relative_to(ROOT).as_posix()],
            depends=[header.relative_to(ROOT).as_posix() for header in sorted(source.parent.glob("*.hpp"))],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
        )
        for source in sorted((ROOT / "core").glob("*/*.pyx"))
    ]


def requirements() -> list[str]:
    """The contract is a distribution of its own. A checkout depends on the one beside it, a release on its number.

    An sdist carries PKG-INFO, a checkout does not: a wheel built from the sdist names the released ``hexar-proto``, while
    ``pip install .`` in a checkout finds ``proto/`` without any registry holding it.
    """
    released = (ROOT / "PKG-INFO").exists() or not (ROOT / "proto" / "pyproject.toml").exists()
    proto = f"hexar-proto=={VERSION}" if released else f"hexar-proto @ {(ROOT / 'proto').as_uri()}"
    return [
        proto,
        "grpcio>=1.80",
        "grpcio-health-checking>=1.80",
        "grpcio-reflection>=1.80",
        "grpcio-status>=1.80",
        "protobuf>=6.33",
        "httptools>=0.6",
        "uvloop>=0.21; sys_platform != 'win32'",
        "numpy>=2.0",
        "rapidfuzz>=3.14",
        "orjson>=3.11",
        "redis[hiredis]>=7.0",
        "SQLAlchemy>=2.0",
        "psycopg[binary]>=3.2",
        "alembic>=1.16",
        "urllib3>=2.5",
        "selectolax>=0.4",
        "price-parser>=0.4",
        "pypdfium2>=5.0",
        "python-docx>=1.2",
        "openpyxl>=3.1.5",
        "usearch>=2.20",
        "threadpoolctl>=3.5",
        "PyStemmer>=3.0",
        "pydantic-settings>=2.10",
        "PyYAML>=6.0",
        "Jinja2>=3.1",
        "structlog>=25.1",
        "prometheus-client>=0.22",
        "PyJWT[crypto]>=2.10",
        "typer>=0.16",
        "rich>=14.0",
    ]


include = link_namespace()
setup(
    version=VERSION,
    packages=packages(),
    package_dir={f"hexar.{part}": part for part in PARTS},
    package_data={
        "": ["*.pyx", "*.pxd", "*.pyi", "py.typed", "*.yaml", "*.json", "*.toml", "*.md", "*.csv", "*.jsonl"],
        "hexar.agents.legal.demo": ["corpus/*", "types/*"],
        "hexar.server.demo": ["documents/*.md"],
        "hexar.server.dashboard": ["static/*"],
    },
    exclude_package_data={"": ["*.cpp", "*.c"]},
    include_package_data=False,
    # Also where pip builds, which passes no option of its own.
    options={"build_ext": {"parallel": os.cpu_count() or 1}},
    ext_modules=cythonize(
        extensions(),
        include_path=[str(include)],
        build_dir="build/cython",
        compiler_directives={
            "language_level": "3",
            "boundscheck": SANITIZE,
            "wraparound": False,
            "initializedcheck": SANITIZE,
            "cdivision": True,
            "embedsignature": True,
            "freethreading_compatible": True,
        },
    ),
    install_requires=requirements(),
    zip_safe=False,
)
