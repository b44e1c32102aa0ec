"""Run the kernels' tests over a build with bounds checks, AddressSanitizer and UndefinedBehaviorSanitizer.

The build stands in build/sanitize, a copy of the sources, so that it leaves the normal extensions alone. Python itself is
not instrumented: the sanitizers are loaded before it, and its objects come from malloc so that AddressSanitizer sees
them. Leaks are not judged, as the interpreter keeps memory until its end.

Run: ``python tests/sanitize.py [arguments of pytest]``; without arguments every kernel's test module runs. Needs GCC.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPY = ROOT / "build" / "sanitize"
#: What the build writes beside, or finds by its own path: copied. Everything else is linked.
COPIED = {"core", "tests", "setup.py", "pyproject.toml"}
LEFT_OUT = {"build", "dist"}
BUILT = shutil.ignore_patterns("*.so", "*.cpp", "*.c", "__pycache__")


def copy_sources() -> None:
    """Bring build/sanitize up to date. What was built there stays, so that only what changed is built again."""
    COPY.mkdir(parents=True, exist_ok=True)
    for source in ROOT.iterdir():
        target = COPY / source.name
        if source.name in LEFT_OUT or source.name.startswith("."):
            continue
        if source.name not in COPIED:
            if not target.exists():
                target.symlink_to(source)
        elif source.is_dir():
            shutil.copytree(source, target, ignore=BUILT, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)
    for folder in ("core", "tests"):
        for target in (COPY / folder).rglob("*"):
            gone = target.suffix in {".py", ".pyx", ".pxd", ".hpp"} and not (ROOT / target.relative_to(COPY)).exists()
            if gone:
                target.unlink()


def runtime_libraries() -> str:
    """The sanitizer's library and libstdc++, whose exceptions it intercepts, for LD_PRELOAD."""
    compiler = (os.environ.get("CXX") or sysconfig.get_config_var("CXX") or "g++").split()[0]
    found = []
    for name in ("libasan.so", "libstdc++.so"):
        command = [compiler, f"-print-file-name={name}"]
        path = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())
        if not path.is_absolute():
            raise SystemExit(f"{compiler} has no {name}: make test-sanitize needs GCC with its sanitizers")
        found.append(str(path.resolve()))
    return " ".join(found)


def main(arguments: list[str]) -> int:
    copy_sources()
    build = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    subprocess.run(build, cwd=COPY, env=os.environ | {"HEXAR_BUILD": "sanitize"}, check=True)

    path = os.pathsep.join([str(COPY / "build" / "ns"), str(COPY), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {
        "HEXAR_BUILD": "sanitize",  # tests are patient when they see it
        "PYTHONPATH": path,
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": runtime_libraries(),
        "ASAN_OPTIONS": "detect_leaks=0:malloc_context_size=8",
        "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    }
    sources = sorted((COPY / "core").glob("*/*.pyx"))
    names = ", ".join(f"hexar.core.{source.parent.name}.{source.stem}" for source in sources)
    check = f"import {names} as last; print(last.__file__)"
    loaded = subprocess.run([sys.executable, "-c", check], cwd=COPY, env=environment, capture_output=True, text=True)
    if not loaded.stdout.startswith(str(COPY)):
        raise SystemExit(f"the sanitized kernels do not load:\n{loaded.stdout}{loaded.stderr}")

    chosen = arguments or sorted({f"tests/core/{source.parent.name}" for source in sources})
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen]
    return subprocess.run(tests, cwd=COPY, env=environment, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
