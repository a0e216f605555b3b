"""What tests of several packages share."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def demo_archive(tmp_path_factory) -> Path:
    """Path of a small demo archive: a quarter of a degree, one year, all products; not to be written to."""
    from probav.demo import create_demo

    path = tmp_path_factory.mktemp("demo") / "archive"
    create_demo(path, progress=False, years=(2016,), size_degrees=0.25)
    return path


@pytest.fixture(scope="session")
def spark():
    """The Spark session of this process, configured as a kernel configures it."""
    from probav_kernels.environment import configure
    from probav_kernels.java import JavaNotFoundError, find_java

    try:
        find_java()
    except JavaNotFoundError as error:
        pytest.skip(f"Spark needs Java: {error}")
    configure()
    from probav.execution.spark import session

    running = session()
    yield running
    running.stop()
