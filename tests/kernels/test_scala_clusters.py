"""Scala on executors in processes of their own, whose classes come from the driver."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.cluster

CODE = """
case class Cell(x: Int, v: Double)
def square(d: Double) = d * d
val cells = sc.parallelize(1 to 20, 4).map(i => (i % 2, Cell(i, square(i)))).groupByKey(2)
val sums = cells.mapValues(_.map(_.v).sum).collect().toMap
val first = sc.parallelize(Seq(Cell(3, 9.0))).first()
val executors = sc.getExecutorMemoryStatus.size - 1
Seq(Cell(1, 2.0)).toDS().map(c => c.copy(v = c.v * 10)).createOrReplaceTempView("cells")
val plus = udf((x: Long) => x + square(2).toLong)
val udfs = spark.range(3).select(plus(col("id"))).as[Long].collect().toList
"""


def test_classes_of_cells_reach_executors_of_a_cluster(start_kernel):
    kernel = start_kernel(
        PROBAV_SPARK_MASTER="local-cluster[2,1,700]",
        PROBAV_SPARK_CONF="spark.executor.memory=600m spark.dynamicAllocation.enabled=false",
    )
    cell = kernel.run(f"%%scala -o sums -o executors -o udfs\n{CODE}", timeout=180)
    assert "first: Cell = Cell(3,9.0)" in str(cell.data), cell.shown
    shown = kernel.run("print(executors, sums, udfs, spark.table('cells').toPandas().values.tolist())").text
    assert shown == "2 {0: 1540.0, 1: 1330.0} [4, 5, 6] [[1.0, 20.0]]\n"
