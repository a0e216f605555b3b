"""What tests of several packages share."""

import pytest


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
