"""Configuration: YAML with line marks, validation against pydantic models, options and overrides."""
