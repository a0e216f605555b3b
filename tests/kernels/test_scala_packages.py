"""Libraries from Maven Central in a running session."""

from __future__ import annotations

from zipfile import ZipFile

import pytest

pytestmark = pytest.mark.cluster

CSV = "org.apache.commons:commons-csv:1.10.0"


def test_a_library_reaches_interpreter_and_executors(start_kernel):
    kernel = start_kernel()
    cell = kernel.run(f"%scala --packages {CSV}", timeout=180)
    if "can't be had" in cell.shown:
        pytest.skip(f"needs Maven Central: {cell.shown.strip().splitlines()[-1]}")
    assert "1 jars added" in cell.text
    check(kernel)


def check(kernel):
    code = (
        "sc.parallelize(Seq(\"a;b\")).map(line => org.apache.commons.csv.CSVFormat.newFormat(';')"
        ".parse(new java.io.StringReader(line)).getRecords.get(0).get(1)).collect().toList"
    )
    cell = kernel.run(f"%%scala\n{code}")
    assert cell.data[-1]["text/plain"] == "List[String] = List(b)", cell.shown


def test_a_library_of_the_session_is_the_interpreters_too(start_kernel):
    kernel = start_kernel(PROBAV_SPARK_PACKAGES=CSV)
    cell = kernel.run("spark.range(1).count()", timeout=180)
    if not cell.data:
        pytest.skip(f"needs Maven Central: {cell.shown.strip().splitlines()[-1]}")
    check(kernel)


def test_a_settings_file_of_ivy_says_where_libraries_are(start_kernel, tmp_path):
    group = tmp_path / "repository" / "org" / "example" / "own" / "1.0"
    group.mkdir(parents=True)
    (group / "own-1.0.pom").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>org.example</groupId>"
        "<artifactId>own</artifactId><version>1.0</version></project>"
    )
    with ZipFile(group / "own-1.0.jar", "w") as jar:
        jar.writestr("own.txt", "found")
    settings = tmp_path / "ivysettings.xml"
    settings.write_text(
        '<ivysettings><settings defaultResolver="own"/>'
        f'<caches defaultCacheDir="{tmp_path}/cache"/><resolvers>'
        f'<ibiblio name="own" m2compatible="true" root="file:{tmp_path}/repository"/>'
        "</resolvers></ivysettings>"
    )
    own = f"spark.jars.ivySettings={settings} spark.jars.ivy={tmp_path}/ivy"
    cell = start_kernel(PROBAV_SPARK_CONF=own).run("%scala --packages org.example:own:1.0", timeout=180)
    assert "1 jars added" in cell.text, cell.shown


def test_a_library_that_is_none_is_one_line(start_kernel):
    cell = start_kernel().run("%scala --packages no.such.group:nothing_2.13:1.0", timeout=180)
    assert "no.such.group:nothing_2.13:1.0 can't be had: " in cell.shown
    assert "Traceback" not in cell.shown
