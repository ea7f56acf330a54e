"""What people run: the lab, benchmarks, experiments. Each tool is a folder or a module."""
