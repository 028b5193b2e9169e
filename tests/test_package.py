"""What importing the package costs, and what it offers."""

from __future__ import annotations

import json
import subprocess
import sys

import humeanalytics as ha

_LOADED = "import json, sys; {}; print(json.dumps(sorted({{name.partition('.')[0] for name in sys.modules}})))"


def loaded_after(statement: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", _LOADED.format(statement)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_loads_the_standard_library_only() -> None:
    # What a bare interpreter has loaded (site hooks of this environment among it) does not count.
    extra = loaded_after("import humeanalytics") - loaded_after("pass") - set(sys.stdlib_module_names)
    assert extra == {"humeanalytics"}


def test_help_loads_nothing_heavy() -> None:
    loaded = loaded_after("from humeanalytics.cli.app import run; run(['--help'])")
    assert not loaded & {"pyarrow", "duckdb", "deltalake", "av", "numpy", "matplotlib", "httpx", "starlette", "pandas", "polars"}


def test_every_public_name_is_there() -> None:
    for name in ha.__all__:
        assert getattr(ha, name) is not None
    assert set(ha.__all__) <= set(dir(ha))


def test_no_public_name_is_a_submodule_of_the_same_name() -> None:
    """A submodule that is imported takes its name in the package: a verb of that name would be gone after its first call."""
    script = (
        "import humeanalytics as ha, importlib, pkgutil\n"
        "verbs = {name: getattr(ha, name) for name in ha._EXPORTS}\n"
        "for module in pkgutil.walk_packages(ha.__path__, 'humeanalytics.'):\n"
        "    if not module.name.endswith('__main__'): importlib.import_module(module.name)\n"
        "assert all(getattr(ha, name) is verb and callable(verb) for name, verb in verbs.items())\n"
        "print('same')"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "same\n"


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(ha, "no_such_verb")
