"""The commands of `henshin`, one module each."""
