"""Orchestration only: the one place that knows Prefect."""
