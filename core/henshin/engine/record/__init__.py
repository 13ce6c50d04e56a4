"""The record of a run: `OUT/.henshin/run.jsonl`."""
