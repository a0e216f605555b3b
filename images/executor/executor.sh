#!/bin/bash
# What a container of this image does: `executor` as Kubernetes' driver asks for it, by the variables that Spark's own
# images take; `worker spark://HOST:PORT` of a standalone cluster; or another command.
set -euo pipefail

case "${1:-executor}" in
executor)
  : "${SPARK_DRIVER_URL:?is set by the driver of a Spark on Kubernetes; see docs/images.md}"
  options=()
  while IFS='=' read -r -d '' name value; do
    case "$name" in SPARK_JAVA_OPT_*) options+=("$value") ;; esac
  done < <(env -0 | sort -z -t_ -k4 -n)
  exec java "${options[@]}" -Xms"$SPARK_EXECUTOR_MEMORY" -Xmx"$SPARK_EXECUTOR_MEMORY" \
    -cp "${SPARK_CONF_DIR:+$SPARK_CONF_DIR:}${SPARK_CLASSPATH:+$SPARK_CLASSPATH:}$SPARK_HOME/jars/*" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend \
    --driver-url "$SPARK_DRIVER_URL" --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" \
    --app-id "$SPARK_APPLICATION_ID" --hostname "$SPARK_EXECUTOR_POD_IP" \
    --resourceProfileId "${SPARK_RESOURCE_PROFILE_ID:-0}" --podName "${SPARK_EXECUTOR_POD_NAME:-$HOSTNAME}"
  ;;
worker)
  shift
  export SPARK_WORKER_DIR="${SPARK_WORKER_DIR:-$HOME/work}" SPARK_NO_DAEMONIZE=1
  exec "$SPARK_HOME/bin/spark-class" org.apache.spark.deploy.worker.Worker "$@"
  ;;
*) exec "$@" ;;
esac
