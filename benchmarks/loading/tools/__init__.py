"""One file per tool: ``run(case)`` returns the result of a workload as an array."""
