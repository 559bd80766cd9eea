"""A contract's column rules, judged by Great Expectations on a pandas frame. Run by its own Python, not by ours.

What belongs here: what a user of Great Expectations would write. Not: choosing rules and judging (benchmarks/audit.py).

Usage: great_expectations_audit.py ROWS RULES, where ROWS is a Parquet file and RULES a JSON file with a list of
{name, kind, column, ...}. Prints seconds of reading and of validating, and the broken rows by rule, as JSON.
"""

import json
import logging
import resource
import sys
import time
from pathlib import Path

import great_expectations as gx
import pandas as pd
from great_expectations import expectations as gxe

logging.disable(logging.WARNING)


def main(rows: Path, rules: Path) -> None:
    """Read, validate, tell."""
    began = time.perf_counter()
    frame = pd.read_parquet(rows)
    reading = time.perf_counter() - began
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = (
        context.data_sources.add_pandas("pandas")
        .add_dataframe_asset("rows")
        .add_batch_definition_whole_dataframe("all")
    )
    declared = json.loads(rules.read_text())
    suite = context.suites.add(gx.ExpectationSuite(name="rules", expectations=[expectation(one) for one in declared]))
    definition = gx.ValidationDefinition(data=batch, suite=suite, name="audit")
    context.validation_definitions.add(definition)
    began = time.perf_counter()
    result = definition.run(batch_parameters={"dataframe": frame}, result_format="BASIC")
    seconds = time.perf_counter() - began
    broken = {}
    for one in result.results:
        raised = one.exception_info.get("raised_exception")
        broken[one.expectation_config.meta["name"]] = -1 if raised else one.result["unexpected_count"]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(json.dumps({"seconds": seconds, "reading": reading, "broken": broken, "peak_mb": peak}))


def expectation(rule: dict) -> gxe.Expectation:
    """A rule in Great Expectations' words."""
    column_and_meta = {"column": rule["column"], "meta": {"name": rule["name"]}}
    if rule["kind"] == "not_null":
        return gxe.ExpectColumnValuesToNotBeNull(**column_and_meta)
    if rule["kind"] == "unique":
        return gxe.ExpectColumnValuesToBeUnique(**column_and_meta)
    if rule["kind"] == "one_of":
        return gxe.ExpectColumnValuesToBeInSet(value_set=rule["values"], **column_and_meta)
    bounds = rule["at_least"], rule["at_most"]
    if rule["times"]:
        bounds = tuple(pd.Timestamp(one).to_pydatetime() if one else None for one in bounds)
    return gxe.ExpectColumnValuesToBeBetween(min_value=bounds[0], max_value=bounds[1], **column_and_meta)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
