"""What holds the workspace together: who may import whom, one version, no trace of one machine."""

import ast
import re
import subprocess
import sys
import tomllib
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# package -> (folder of its pyproject.toml, siblings it may import)
ARROWS = {
    "probav": (".", set()),
    "probav_magics": ("magics", {"probav", "probav_extensions"}),
    "probav_extensions": ("extensions", {"probav"}),
    "probav_kernels": ("kernels", set()),
    "probav_hub": ("hub", set()),
}
NOTEBOOK = {
    "IPython", "ipykernel", "ipyleaflet", "ipywidgets", "jupyter_client", "jupyter_server", "jupyterhub",
    "matplotlib", "traitlets",
}  # fmt: skip


def tracked(*patterns):
    listed = subprocess.run(["git", "ls-files", "-z", *patterns], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def project(package):
    with (ROOT / ARROWS[package][0] / "pyproject.toml").open("rb") as file:
        return tomllib.load(file)["project"]


def imports(package):
    """Every module a package imports: file, line, module, and whether a plain `import package` runs it."""
    for path in sorted((ROOT / ARROWS[package][0] / package).rglob("*.py")):
        for statement, at_import in _walk(ast.parse(path.read_text(encoding="utf-8")), True):
            if isinstance(statement, ast.Import):
                names = [alias.name for alias in statement.names]
            else:
                assert statement.level == 0, f"{path}:{statement.lineno} imports relatively"
                names = [statement.module]
            for name in names:
                yield path, statement.lineno, name, at_import


def _walk(node, at_import):
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_import
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            yield from _walk(child, False)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from _walk(child, at_import and not function)


# --- arrows -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", ARROWS)
def test_packages_import_only_the_siblings_they_may(package):
    siblings = {
        (path.relative_to(ROOT).as_posix(), line, name)
        for path, line, name, _ in imports(package)
        if name.split(".")[0] in ARROWS and name.split(".")[0] not in {package, *ARROWS[package][1]}
    }
    assert siblings == set()


def test_the_engine_knows_no_notebook_and_spark_in_one_module_only():
    found = list(imports("probav"))
    assert [item for item in found if item[2].split(".")[0] in NOTEBOOK] == []
    spark = [(path.name, at_import) for path, _, name, at_import in found if name.split(".")[0] == "pyspark"]
    # the latter is the text that runs in a session behind Livy
    assert set(spark) == {("spark.py", False), ("livy_remote.py", False)}


def test_importing_every_module_of_the_engine_loads_no_notebook_and_no_spark():
    program = (
        "import sys, pkgutil, importlib, probav\n"
        "for module in pkgutil.walk_packages(probav.__path__, 'probav.'):\n"
        "    importlib.import_module(module.name)\n"
        "print(*sorted({name.split('.')[0] for name in sys.modules}))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd="/"
    )
    loaded = set(shown.stdout.split())
    assert "probav" in loaded
    assert loaded & {*NOTEBOOK, "pyspark", *(set(ARROWS) - {"probav"})} == set()


def distribution(requirement):
    """Normalised name of a requirement: "jupyter-server" of "jupyter_server>=2.15; extra == 'x'"."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", requirement)[0]).lower()


@pytest.mark.parametrize("package", ARROWS)
def test_what_is_imported_is_declared_or_comes_with_what_is(package):
    """An undeclared import works here, where everything is installed, and fails with this package alone."""
    own = project(package)
    extras = own.get("optional-dependencies", {}).values()
    declared = {distribution(line) for lines in (own["dependencies"], *extras) for line in lines}
    for name in list(declared):
        with suppress(PackageNotFoundError):  # a runtime for machines that have none
            declared |= {distribution(line) for line in requires(name) or () if "extra ==" not in line}
    installed = packages_distributions()
    missing = {}
    for path, line, name, _ in imports(package):
        top = name.split(".")[0]
        if top not in sys.stdlib_module_names and top != package:
            if not {distribution(item) for item in installed.get(top, [top])} & declared:
                missing[name] = f"{path.relative_to(ROOT)}:{line}"
    assert missing == {}


# --- one version --------------------------------------------------------------------------------------------


def test_all_members_are_of_one_version_and_pin_each_other_to_it():
    import probav

    assert project("probav")["version"] == probav.__version__
    for package, (_, siblings) in ARROWS.items():
        own = project(package)
        assert own["version"] == probav.__version__
        assert own["name"] == package.replace("_", "-")
        assert own["requires-python"] == ">=3.11"
        pins = {line for line in own["dependencies"] if line.startswith("probav")}
        assert pins == {f"{name.replace('_', '-')}=={probav.__version__}" for name in siblings}


def test_the_workspace_lists_its_members():
    with (ROOT / "pyproject.toml").open("rb") as file:
        members = tomllib.load(file)["tool"]["uv"]["workspace"]["members"]
    assert sorted(members) == sorted(folder for folder, _ in ARROWS.values() if folder != ".")


# --- tidy ---------------------------------------------------------------------------------------------------


def test_tests_are_no_packages():
    """Collected as packages they would hide each other; helpers are fixtures in conftest.py."""
    assert tracked("tests/**/__init__.py", "tests/__init__.py") == []
    assert [*(ROOT / "tests").rglob("__init__.py")] == []


def test_no_test_replaces_the_real_thing():
    mock = re.compile(r"unittest\W+(import )?mock|\bmock" r"er\b")
    assert [path.name for path in tracked("tests/*.py") if mock.search(path.read_text())] == []


def test_no_path_of_a_machine_and_no_host_of_a_registry():
    forbidden = re.compile(
        "|".join([
            r"(?<![\w.~$}])/(?:wo" r"rk|ro" r"ot)(?:/|\b)",
            r"\bpyp" r"i\.org", r"python" r"hosted\.org", r"npm" r"js\.(?:org|com)", r"yarn" r"pkg\.com",
            r"maven\.(?:org|apache)", r"ana" r"conda\.(?:org|com)", r"crates\.i" r"o\b",
        ])
    )  # fmt: skip
    found = []
    for path in tracked():
        content = path.read_bytes()
        if path.name == "uv.lock" or b"\0" in content[:8000]:
            continue
        lines = content.decode("utf-8", "replace").splitlines()
        found += [f"{path.relative_to(ROOT)}:{n}: {line.strip()[:80]}" for n, line in enumerate(lines, 1)
                  if forbidden.search(line)]  # fmt: skip
    assert found == []


@pytest.mark.parametrize("package", ARROWS)
def test_each_package_is_typed_and_no_file_grows_beyond_reading(package):
    folder = ROOT / ARROWS[package][0] / package
    assert (folder / "py.typed").is_file()
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in folder.rglob("*.py")
    }
    assert {path: length for path, length in lengths.items() if length > 400} == {}
