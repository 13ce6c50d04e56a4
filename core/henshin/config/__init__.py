"""Configuration: YAML with line numbers, validation against pydantic models, kinds of options, and overrides."""
