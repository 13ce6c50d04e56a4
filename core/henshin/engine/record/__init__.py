"""The record of an output folder: `OUT/.henshin/run.jsonl`."""
