from __future__ import annotations

import time

import pytest

from probav_hub import profiles
from probav_hub.configuration import Profile

SMALL = Profile(name="small", title="Small <b>", cpu=1, memory="2G")
LARGE = Profile(
    name="large", title="Large", description="For <jobs>", cpu=4, memory="16G", groups=("staff", "guests"),
    spark_executors=3, executor_cores=2, executor_memory="4G", hours=8, disk="50G",
)  # fmt: skip


class Spawner:
    environment = {"A": "1"}  # noqa: RUF012


def test_a_profile_is_for_its_groups():
    assert profiles.of_user([SMALL, LARGE], []) == [SMALL]
    assert profiles.of_user([SMALL, LARGE], ["guests"]) == [SMALL, LARGE]


def test_what_is_not_offered_is_refused():
    assert profiles.choose([SMALL, LARGE], [], None) == SMALL
    with pytest.raises(profiles.ProfileError, match="no profile 'large' for you"):
        profiles.choose([SMALL, LARGE], ["others"], "large")
    with pytest.raises(profiles.ProfileError, match="ask the hub's administrator"):
        profiles.choose([LARGE], [], None)


def test_words():
    assert profiles.words(SMALL) == "1 core, 2GB of memory"
    assert profiles.words(LARGE) == (
        "4 cores, 16GB of memory, 50GB of disk, Spark with up to 3 executors of 2 cores and 4GB, "
        "for 8 h at most"
    )


def test_the_form_escapes_and_labels():
    made = profiles.form([SMALL, LARGE])
    assert "Small &lt;b&gt;" in made
    assert "For &lt;jobs&gt;" in made
    assert made.count("checked") == 1
    for name in ("small", "large"):
        assert f'for="profile-{name}"' in made


def test_the_form_says_what_a_budget_has_no_room_for():
    made = profiles.form(
        [SMALL, LARGE], {"small": "Small can't <i>"}, ["all: 3 of 4 h <left>"], "/services/x/"
    )
    assert 'value="small" required disabled aria-describedby="refused-small"' in made
    assert '<div id="refused-small"><small>Small can&#x27;t &lt;i&gt;</small></div>' in made
    assert 'value="large" required checked' in made  # the first that can start
    assert "<li>all: 3 of 4 h &lt;left&gt;</li>" in made
    assert 'href="/services/x/"' in made
    assert "budgets" not in profiles.form([SMALL, LARGE])


def test_limits_reach_the_spawner():
    spawner = Spawner()
    profiles.apply(spawner, LARGE.model_copy(update={"hours": None, "disk": None}))
    assert (spawner.cpu_limit, spawner.mem_limit) == (4, 16 << 30)
    assert spawner.environment == {
        "A": "1", "PROBAV_SPARK_EXECUTORS": "3", "PROBAV_SPARK_EXECUTOR_CORES": "2",
        "PROBAV_SPARK_EXECUTOR_MEMORY": "4g",
    }  # fmt: skip
    assert Spawner.environment == {"A": "1"}


def test_time_and_room_of_a_profile_are_told_and_forgotten_with_it():
    spawner = Spawner()
    profiles.apply(spawner, LARGE.model_copy(update={"hours": 2.0, "disk": "20G"}))
    assert abs(float(spawner.environment["PROBAV_SERVER_ENDS"]) - time.time() - 7200) < 60
    assert spawner.environment["PROBAV_HOME_LIMIT"] == str(20 << 30)
    profiles.apply(spawner, LARGE.model_copy(update={"hours": None, "disk": None, "spark_executors": 0}))
    assert spawner.environment == {"A": "1"}


@pytest.mark.parametrize(("text", "count"), [("1K", 1024), ("1.5G", 3 << 29), ("2T", 2 << 40)])
def test_sizes(text, count):
    assert profiles.size(text) == count
