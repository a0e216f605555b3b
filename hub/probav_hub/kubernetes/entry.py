"""What an executor's container runs: it becomes Spark's executor.

The text of this file is the pod's command (`python -c`): an image needs Python with PySpark, and Java.
"""

import os
import sys
from importlib.util import find_spec

_NO_SUCH_MODULE = "--add-modules=jdk.incubator.vector"  # as probav_kernels.java: not every Java has it


def command(environment: "dict[str, str]", spark: str) -> "list[str]":
    """Return the command that Kubernetes' image of Spark would run."""
    numbered = {
        int(name.rpartition("_")[2]): value
        for name, value in environment.items()
        if name.startswith("SPARK_JAVA_OPT_") and name.rpartition("_")[2].isdigit()
    }
    home, memory = environment.get("JAVA_HOME"), environment["SPARK_EXECUTOR_MEMORY"]
    return [
        os.path.join(home, "bin", "java") if home else "java",
        *(value for _, value in sorted(numbered.items()) if value != _NO_SUCH_MODULE),
        f"-Xms{memory}", f"-Xmx{memory}", "-cp", os.path.join(spark, "jars", "*"),
        "org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend",
        "--driver-url", environment["SPARK_DRIVER_URL"],
        "--executor-id", environment["SPARK_EXECUTOR_ID"],
        "--cores", environment["SPARK_EXECUTOR_CORES"],
        "--app-id", environment["SPARK_APPLICATION_ID"],
        "--hostname", environment["SPARK_EXECUTOR_POD_IP"],
        "--resourceProfileId", environment.get("SPARK_RESOURCE_PROFILE_ID", "0"),
        "--podName", environment["SPARK_EXECUTOR_POD_NAME"],
    ]  # fmt: skip


if __name__ == "__main__":
    found = find_spec("pyspark")
    if found is None or found.origin is None:
        sys.exit("This image has no PySpark: spark.image of the chart names another than probav-executor.")
    words = command(dict(os.environ), os.path.dirname(found.origin))
    os.execvp(words[0], words)  # noqa: S606 - Java in this process's place
