"""Spark on the files that the log names, with the log's schema: Delta's own jar is not on PyPI."""

from __future__ import annotations

import json

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql.types import StructType

from tests.readers.engines.engine import Engine, Lake, by_sql
from tests.readers.engines.sql import Dialect

_DIALECT = Dialect(quote="`", literals={"moment": "timestamp '{0}'", "local": "timestamp_ntz '{0}'"})


def vectorized(lake: Lake) -> Engine:
    """As Spark is set up."""
    return _engine(lake, vectorized=True)


def by_row(lake: Lake) -> Engine:
    """With `spark.sql.parquet.enableVectorizedReader=false`."""
    return _engine(lake, vectorized=False)


def _engine(lake: Lake, *, vectorized: bool) -> Engine:
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "2g")
        # it lives for a few minutes, of which the better compiler would take many
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.session.timeZone", "UTC")
        # else a literal goes through Java's old calendar, which lacks ten days of the year 1582
        .config("spark.sql.datetime.java8API.enabled", "true")
        # small files together, which is faster here
        .config("spark.sql.files.openCostInBytes", "0")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.parquet.enableVectorizedReader", str(vectorized).lower())
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    schema = StructType.fromJson(json.loads(json.dumps(lake.schema)))
    spark.read.schema(schema).parquet(*lake.files).createOrReplaceTempView("t")

    def run(sql: str) -> pa.Table:
        return spark.sql(sql).toArrow()

    return by_sql(run, _DIALECT, "t")
